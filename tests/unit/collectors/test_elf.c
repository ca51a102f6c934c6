// SPDX-License-Identifier: Apache-2.0
/*
 * Real ELF files, made by the compiler while the test runs. Each function's code is a mark of eight
 * bytes, so an offset is right when the mark stands there in the file. Nothing of it is ever run.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collectors/collector.h"
#include "collectors/elf_image.h"
#include "collectors/foreign.h"

enum { SMALL_MAX = 1 << 20 };

static char directory[64];

#define ALL                                                                                        \
	"SSL_read SSL_write SSL_read_ex SSL_write_ex SSL_write_ex2 SSL_free SSL_clear "            \
	"SSL_shutdown SSL_ctrl SSL_set_fd SSL_set_bio SSL_set0_rbio"

#define BORINGSSL                                                                                  \
	"SSL_read SSL_write SSL_free SSL_clear SSL_shutdown SSL_set_tlsext_host_name SSL_set_fd "  \
	"SSL_set_bio SSL_set0_rbio"

#define GNUTLS                                                                                     \
	"gnutls_record_recv gnutls_record_send gnutls_record_recv_seq gnutls_record_send2 "        \
	"gnutls_record_send_range gnutls_record_uncork gnutls_deinit gnutls_server_name_set "      \
	"gnutls_transport_set_int2 gnutls_transport_set_ptr gnutls_transport_set_ptr2"
#define S2N                                                                                        \
	"s2n_recv s2n_recv_impl s2n_send s2n_sendv s2n_sendv_with_offset "                         \
	"s2n_sendv_with_offset_impl s2n_connection_free s2n_connection_wipe "                      \
	"s2n_set_server_name s2n_connection_set_fd s2n_connection_set_read_fd"
#define MBEDTLS                                                                                    \
	"mbedtls_ssl_read mbedtls_ssl_write mbedtls_ssl_free "                                     \
	"mbedtls_ssl_session_reset mbedtls_ssl_set_hostname mbedtls_ssl_set_bio"
#define WOLFSSL                                                                                    \
	"wolfSSL_read wolfSSL_write wolfSSL_read_ex wolfSSL_write_ex wolfSSL_recv wolfSSL_send "   \
	"wolfSSL_writev wolfSSL_free wolfSSL_clear wolfSSL_shutdown wolfSSL_UseSNI wolfSSL_set_fd"
#define NSPR "PR_Read PR_Write PR_Recv PR_Send PR_Close PR_Writev"

static int make_directory(void **state)
{
	(void)state;
	snprintf(directory, sizeof(directory), "/tmp/lt-elf.XXXXXX");
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", directory);
	return system(command);
}

static const char *path_of(const char *name, char to[128])
{
	snprintf(to, 128, "%s/%s", directory, name);
	return to;
}

static void run(const char *format, ...)
{
	char command[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

/* Another for every name. */
static uint64_t mark_of(const char *name)
{
	uint64_t mark = 0xcbf29ce484222325u;

	for (; *name; name++)
		mark = (mark ^ (unsigned char)*name) * 0x100000001b3u;
	/* Its first byte is an instruction that takes a probe. */
	return (mark & ~0xffULL) | 0x90;
}

/* Writes source.s: the @functions (names between spaces) of symbol type @type, and an entry point.
 */
static void write_source(const char *functions, const char *type, const char *text)
{
	char path[128], names[512], *rest = names, *name;
	FILE *out = fopen(path_of("source.s", path), "w");

	assert_non_null(out);
	fprintf(out, ".section .note.GNU-stack,\"\",%%progbits\n.text\n.globl _start\n_start:\n"
		     ".quad 0\n");
	snprintf(names, sizeof(names), "%s", functions);
	while ((name = strsep(&rest, " "))) {
		if (*name)
			fprintf(out, ".globl \"%s\"\n.type \"%s\", %%%s\n\"%s\": .quad 0x%llx\n",
				name, name, type, name, (unsigned long long)mark_of(name));
	}
	fprintf(out, ".section .rodata\n.asciz \"%s\"\n", text);
	assert_int_equal(fclose(out), 0);
}

static void build(const char *functions, const char *link_options, const char *name)
{
	write_source(functions, "function", "nothing");
	run("cd %s && gcc -nostdlib %s source.s -o %s", directory, link_options, name);
}

static int open_file(const char *name)
{
	char path[128];
	int fd = open(path_of(name, path), O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* The plan of an image that has one TLS stack. */
static int first_plan(const struct lt_elf_image *image, struct lt_probe_plan *ret)
{
	struct lt_probe_plans plans;
	int r = lt_collector_plans(image, &plans);

	if (r == 0)
		*ret = plans.plans[0];
	return r;
}

static int plan_of(const char *name, struct lt_probe_plan *ret)
{
	lt_defer(lt_elf_freep)
	struct lt_elf_image *image = NULL;
	lt_defer(lt_closep)
	int fd = open_file(name);
	int r = lt_elf_open(fd, &image);

	return r < 0 ? r : first_plan(image, ret);
}

/* Exactly @functions are planned, and each offset is where the function's code is. */
static void assert_plan_of(const char *collector, enum lt_library library, const char *name,
			   const char *functions)
{
	struct lt_probe_plan plan = {0};
	char names[512], *rest = names, *function;
	lt_defer(lt_closep)
	int fd = open_file(name);
	unsigned count = 0;

	assert_int_equal(plan_of(name, &plan), 0);
	assert_string_equal(plan.collector, collector);
	assert_int_equal(plan.library, library);
	snprintf(names, sizeof(names), "%s", functions);
	while ((function = strsep(&rest, " "))) {
		bool found = false;

		for (unsigned i = 0; i < plan.count; i++)
			found |= strcmp(plan.probes[i].symbol, function) == 0;
		if (!found)
			fail_msg("%s: %s is not planned", name, function);
		count++;
	}
	assert_int_equal(plan.count, count);
	for (unsigned i = 0; i < plan.count; i++) {
		uint64_t code;

		assert_int_equal(pread(fd, &code, sizeof(code), (off_t)plan.probes[i].offset), 8);
		assert_int_equal(code, mark_of(plan.probes[i].symbol));
	}
}

static void assert_plan(const char *name, const char *functions)
{
	assert_plan_of("openssl", LT_LIBRARY_OPENSSL, name, functions);
}

static void shared_library_whole_and_stripped(void **state)
{
	(void)state;
	build(ALL, "-shared -fPIC", "shared.so");
	assert_plan("shared.so", ALL);
	run("cd %s && strip --strip-all -o stripped.so shared.so", directory);
	assert_plan("stripped.so", ALL);
}

static void versions_of_symbols_are_no_part_of_their_names(void **state)
{
	(void)state;
	run("echo 'OPENSSL_3.0.0 { global: SSL_*; local: *; };' > %s/map", directory);
	build(ALL, "-shared -fPIC -Wl,--version-script=map", "versioned.so");
	run("readelf --dyn-syms -W %s/versioned.so | grep -q 'SSL_read@@OPENSSL_3.0.0'", directory);
	assert_plan("versioned.so", ALL);
}

/* Addresses and offsets differ there. */
static void program_that_carries_the_library(void **state)
{
	struct lt_probe_plan plan;

	(void)state;
	build(ALL, "-static -no-pie -Wl,-Ttext-segment=0x40000000", "static");
	assert_plan("static", ALL);
	build(ALL, "-pie", "pie");
	assert_plan("pie", ALL);
	run("cd %s && strip --strip-all static", directory);
	assert_int_equal(plan_of("static", &plan), -ENOENT);
}

static void both_directions_make_a_tls_library(void **state)
{
	struct lt_probe_plan plan;

	(void)state;
	build("SSL_read SSL_write", "-shared", "plain.so");
	assert_plan("plain.so", "SSL_read SSL_write");
	build("SSL_read_ex SSL_write_ex SSL_free", "-shared", "ex.so");
	assert_plan("ex.so", "SSL_read_ex SSL_write_ex SSL_free");
	build("SSL_read SSL_read_ex SSL_free SSL_ctrl", "-shared", "half.so");
	assert_int_equal(plan_of("half.so", &plan), -ENOENT);
	build("SSL_reader SSL_writer ssl_read my_SSL_write", "-shared", "alike.so");
	assert_int_equal(plan_of("alike.so", &plan), -ENOENT);
}

static void users_of_the_library_are_not_the_library(void **state)
{
	struct lt_probe_plan plan;
	char path[128];
	FILE *out;

	(void)state;
	out = fopen(path_of("source.s", path), "w");
	assert_non_null(out);
	fprintf(out, ".data\n.quad SSL_read, SSL_write, SSL_read_ex, SSL_write_ex\n");
	assert_int_equal(fclose(out), 0);
	run("cd %s && gcc -nostdlib -shared source.s -o user.so", directory);
	run("readelf --dyn-syms -W %s/user.so | grep -q 'UND SSL_read'", directory);
	assert_int_equal(plan_of("user.so", &plan), -ENOENT);
	write_source("SSL_read SSL_write", "object", "nothing");
	run("cd %s && gcc -nostdlib -shared source.s -o objects.so", directory);
	assert_int_equal(plan_of("objects.so", &plan), -ENOENT);
}

static void boringssl_is_told_from_openssl(void **state)
{
	struct lt_probe_plan plan;

	(void)state;
	build(BORINGSSL " SSL_error_description SSL_peek", "-shared -fPIC", "boringssl.so");
	assert_plan_of("boringssl", LT_LIBRARY_BORINGSSL, "boringssl.so", BORINGSSL);
	build("SSL_read SSL_write SSL_CTX_set_custom_verify", "-static -no-pie", "static");
	assert_plan_of("boringssl", LT_LIBRARY_BORINGSSL, "static", "SSL_read SSL_write");
	build("SSL_write SSL_free SSL_set_tlsext_host_name", "-shared", "half.so");
	assert_int_equal(plan_of("half.so", &plan), -ENOENT);
}

/* netty-tcnative exports none of them: they are local names of its symbol table. */
static void boringssl_whose_functions_are_local(void **state)
{
	(void)state;
	run("echo '{ global: JNI_OnLoad; local: *; };' > %s/map", directory);
	build(BORINGSSL " JNI_OnLoad", "-shared -fPIC -Wl,--version-script=map", "jni.so");
	run("! readelf --dyn-syms -W %s/jni.so | grep SSL_", directory);
	assert_plan_of("boringssl", LT_LIBRARY_BORINGSSL, "jni.so", BORINGSSL);
}

static void gnutls_whole_stripped_and_inside_a_program(void **state)
{
	(void)state;
	build(GNUTLS, "-shared -fPIC", "gnutls.so");
	assert_plan_of("gnutls", LT_LIBRARY_GNUTLS, "gnutls.so", GNUTLS);
	run("cd %s && strip --strip-all gnutls.so", directory);
	assert_plan_of("gnutls", LT_LIBRARY_GNUTLS, "gnutls.so", GNUTLS);
	build("gnutls_record_send gnutls_record_recv", "-pie", "gnutls");
	assert_plan_of("gnutls", LT_LIBRARY_GNUTLS, "gnutls",
		       "gnutls_record_send gnutls_record_recv");
}

static void half_of_gnutls_is_nothing(void **state)
{
	struct lt_probe_plan plan = {0};

	(void)state;
	build("gnutls_record_send gnutls_record_send2 gnutls_deinit", "-shared", "half.so");
	assert_int_equal(plan_of("half.so", &plan), -ENOENT);
	build("gnutls_record_recv gnutls_record_recv_seq gnutls_deinit", "-shared", "half.so");
	assert_int_equal(plan_of("half.so", &plan), -ENOENT);
	assert_int_equal(plan.count, 0);
}

/* Both files of NSS, Mozilla's one, and programs that carry all of it. */
static void nss_in_two_files_and_in_one(void **state)
{
	(void)state;
	build(NSPR " PR_Open", "-shared -fPIC", "nspr.so");
	assert_plan_of("nss", LT_LIBRARY_NSS, "nspr.so", NSPR);
	build("SSL_ImportFD SSL_SetURL SSL_ForceHandshake", "-shared -fPIC", "ssl3.so");
	assert_plan_of("nss", LT_LIBRARY_NSS, "ssl3.so", "SSL_SetURL");
	build(NSPR " SSL_ImportFD SSL_SetURL", "-shared -fPIC", "both.so");
	assert_plan_of("nss", LT_LIBRARY_NSS, "both.so", NSPR " SSL_SetURL");
	build(NSPR " SSL_SetURL", "-static -no-pie -Wl,-Ttext-segment=0x40000000", "static");
	assert_plan_of("nss", LT_LIBRARY_NSS, "static", NSPR " SSL_SetURL");
}

static void half_of_nspr_is_nothing(void **state)
{
	struct lt_probe_plan plan = {0};

	(void)state;
	build("PR_Read PR_Write PR_Recv PR_Send PR_Writev", "-shared", "half.so");
	assert_int_equal(plan_of("half.so", &plan), -ENOENT);
	build("PR_Read PR_Close PR_Recv SSL_ImportFD", "-shared", "half.so");
	assert_int_equal(plan_of("half.so", &plan), -ENOENT);
	/* A plan that is not one must not look like one: doctor shows what it finds in it. */
	assert_int_equal(plan.count, 0);
	assert_null(plan.collector);
}

static void wolfssl_with_the_names_of_openssl(void **state)
{
	(void)state;
	build(WOLFSSL " SSL_read SSL_write SSL_free SSL_set_bio", "-shared -fPIC", "compatible.so");
	assert_plan_of("wolfssl", LT_LIBRARY_WOLFSSL, "compatible.so", WOLFSSL);
}

static void functions_that_take_no_probe_are_left_out(void **state)
{
	static const char *const codes[] = {"0x2e, 0x41, 0x54", "0x66, 0x3e, 0xff", "0xf0, 0x90"};
	struct lt_probe_plan plan = {0};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(codes); i++) {
		write_source("s2n_recv_impl s2n_send", "function", "");
		run("cd %s && echo '.text; .globl s2n_recv; .type s2n_recv, %%function; s2n_recv: "
		    ".byte %s' >>source.s && gcc -nostdlib -shared source.s -o prefix.so",
		    directory, codes[i]);
#ifdef __x86_64__
		assert_plan_of("s2n", LT_LIBRARY_S2N, "prefix.so", "s2n_recv_impl s2n_send");
#else
		assert_int_equal(plan_of("prefix.so", &plan), 0);
		assert_int_equal(plan.count, 3);
#endif
	}
	build("SSL_read SSL_write", "-shared -fPIC", "whole.so");
	assert_int_equal(plan_of("whole.so", &plan), 0);
}

static void stacks_whole_and_by_halves(void **state)
{
	static const struct {
		const char *name, *functions, *least, *half;
		enum lt_library library;
	} stacks[] = {
		{"s2n", S2N, "s2n_recv s2n_sendv_with_offset",
		 "s2n_send s2n_sendv s2n_set_server_name", LT_LIBRARY_S2N},
		{"wolfssl", WOLFSSL, "wolfSSL_read wolfSSL_write",
		 "wolfSSL_write wolfSSL_send wolfSSL_free", LT_LIBRARY_WOLFSSL},
		{"mbedtls", MBEDTLS, "mbedtls_ssl_read mbedtls_ssl_write",
		 "mbedtls_ssl_write mbedtls_ssl_free mbedtls_ssl_set_bio", LT_LIBRARY_MBEDTLS},
	};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(stacks); i++) {
		struct lt_probe_plan plan = {0};

		build(stacks[i].functions, "-shared -fPIC", "whole.so");
		assert_plan_of(stacks[i].name, stacks[i].library, "whole.so", stacks[i].functions);
		run("cd %s && strip --strip-all whole.so", directory);
		assert_plan_of(stacks[i].name, stacks[i].library, "whole.so", stacks[i].functions);
		build(stacks[i].least, "-static -no-pie", "least");
		assert_plan_of(stacks[i].name, stacks[i].library, "least", stacks[i].least);
		run("cd %s && strip --strip-all least", directory);
		assert_int_equal(plan_of("least", &plan), -ENOENT);
		build(stacks[i].half, "-shared -fPIC", "half.so");
		assert_int_equal(plan_of("half.so", &plan), -ENOENT);
		assert_int_equal(plan.count, 0);
	}
}

/* Which of the two directions a function has, and whether its return counts, is in the hook. */
static void hooks_say_what_functions_do(void **state)
{
	static const struct {
		const char *symbol;
		enum lt_hook hook;
		bool returns;
	} wanted[] = {
		{"gnutls_record_recv", LT_HOOK_READ, true},
		{"gnutls_record_recv_seq", LT_HOOK_READ, true},
		{"gnutls_record_send", LT_HOOK_WRITE, true},
		{"gnutls_record_send2", LT_HOOK_WRITE, true},
		{"gnutls_record_send_range", LT_HOOK_WRITE, true},
		{"gnutls_record_uncork", LT_HOOK_COVER, true},
		{"gnutls_deinit", LT_HOOK_FREE, false},
		{"gnutls_server_name_set", LT_HOOK_SET_NAME, false},
		{"gnutls_transport_set_int2", LT_HOOK_SET_FD, false},
		{"gnutls_transport_set_ptr", LT_HOOK_SET_PTR, false},
		{"gnutls_transport_set_ptr2", LT_HOOK_SET_PTR, false},
		{"PR_Read", LT_HOOK_READ, true},
		{"PR_Write", LT_HOOK_WRITE, true},
		{"PR_Recv", LT_HOOK_RECV, true},
		{"PR_Send", LT_HOOK_WRITE, true},
		{"PR_Writev", LT_HOOK_WRITEV, true},
		{"PR_Close", LT_HOOK_FREE, false},
		{"SSL_SetURL", LT_HOOK_SET_URL, false},
		{"mbedtls_ssl_read", LT_HOOK_READ, true},
		{"mbedtls_ssl_write", LT_HOOK_WRITE, true},
		{"mbedtls_ssl_free", LT_HOOK_FREE, false},
		{"mbedtls_ssl_session_reset", LT_HOOK_CLEAR, false},
		{"mbedtls_ssl_set_hostname", LT_HOOK_SET_HOST, false},
		{"mbedtls_ssl_set_bio", LT_HOOK_SET_NET, false},
		{"wolfSSL_read", LT_HOOK_READ, true},
		{"wolfSSL_write", LT_HOOK_WRITE, true},
		{"wolfSSL_read_ex", LT_HOOK_READ_EX, true},
		{"wolfSSL_write_ex", LT_HOOK_WRITE_EX, true},
		{"wolfSSL_writev", LT_HOOK_WRITEV, true},
		{"wolfSSL_recv", LT_HOOK_READ, true},
		{"wolfSSL_send", LT_HOOK_WRITE, true},
		{"wolfSSL_free", LT_HOOK_FREE, false},
		{"wolfSSL_clear", LT_HOOK_CLEAR, false},
		{"wolfSSL_shutdown", LT_HOOK_SHUTDOWN, false},
		{"wolfSSL_UseSNI", LT_HOOK_SET_SNI, false},
		{"wolfSSL_set_fd", LT_HOOK_SET_FD, false},
		{"s2n_recv", LT_HOOK_READ, true},
		{"s2n_recv_impl", LT_HOOK_READ, true},
		{"s2n_sendv_with_offset_impl", LT_HOOK_WRITEV_AT, true},
		{"s2n_send", LT_HOOK_WRITE, true},
		{"s2n_sendv", LT_HOOK_WRITEV, true},
		{"s2n_sendv_with_offset", LT_HOOK_WRITEV_AT, true},
		{"s2n_connection_free", LT_HOOK_FREE, false},
		{"s2n_connection_wipe", LT_HOOK_FREE, false},
		{"s2n_set_server_name", LT_HOOK_SET_HOST, false},
		{"s2n_connection_set_fd", LT_HOOK_SET_FD, false},
		{"s2n_connection_set_read_fd", LT_HOOK_SET_FD, false},
	};
	static const char *const files[] = {"gnutls.so", "nss.so", "s2n.so", "wolfssl.so",
					    "mbedtls.so"};
	struct lt_probe_plan plan;
	size_t found = 0;

	(void)state;
	build(GNUTLS, "-shared", "gnutls.so");
	build(NSPR " SSL_SetURL", "-shared", "nss.so");
	build(S2N, "-shared", "s2n.so");
	build(WOLFSSL, "-shared", "wolfssl.so");
	build(MBEDTLS, "-shared", "mbedtls.so");
	for (size_t file = 0; file < LT_COUNT(files); file++) {
		assert_int_equal(plan_of(files[file], &plan), 0);
		for (unsigned i = 0; i < plan.count; i++) {
			for (size_t w = 0; w < LT_COUNT(wanted); w++) {
				if (strcmp(plan.probes[i].symbol, wanted[w].symbol) != 0)
					continue;
				assert_int_equal(plan.probes[i].hook, wanted[w].hook);
				assert_int_equal(lt_hook_returns(plan.probes[i].hook),
						 wanted[w].returns);
				found++;
			}
		}
	}
	assert_int_equal(found, LT_COUNT(wanted));
}

static void build_id_is_the_linkers(void **state)
{
	static const uint8_t want[] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef};
	uint8_t id[LT_BUILD_ID_MAX];

	(void)state;
	build("SSL_read", "-shared -Wl,--build-id=0x0123456789abcdef", "with.so");
	build("SSL_read", "-shared -Wl,--build-id=none", "without.so");
	build("SSL_read",
	      "-shared -Wl,--build-id=0x000102030405060708090a0b0c0d0e0f1011121314151617",
	      "long.so");
	for (int i = 0; i < 3; i++) {
		lt_defer(lt_elf_freep)
		struct lt_elf_image *image = NULL;
		lt_defer(lt_closep)
		int fd = open_file(i == 0 ? "with.so" : i == 1 ? "without.so" : "long.so");

		assert_int_equal(lt_elf_open(fd, &image), 0);
		assert_int_equal(lt_elf_build_id(image, id), i == 0   ? sizeof(want)
							     : i == 1 ? 0
								      : LT_BUILD_ID_MAX);
		if (i == 0)
			assert_memory_equal(id, want, sizeof(want));
	}
}

static void stacks_that_are_not_read_are_named(void **state)
{
	static const struct {
		const char *functions, *text, *name;
	} cases[] = {
		{"JNI_CreateJavaVM", "", "Java's own TLS (JSSE)"},
		{"crypto/tls.(*Conn).Write", "", "Go crypto/tls"},
		{"other", "../third_party/boringssl/src/ssl/ssl_lib.cc",
		 "BoringSSL, without symbols"},
		{"other", "../deps/openssl/ssl/ssl_lib.c", "OpenSSL, without symbols"},
		{"other", "/registry/src/rustls-0.23.1/src/conn.rs",
		 "rustls (on cryptography that is not known)"},
		{"other", "no TLS at all", NULL},
	};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(cases); i++) {
		lt_defer(lt_elf_freep)
		struct lt_elf_image *image = NULL;
		struct lt_probe_plan plan;
		lt_defer(lt_closep)
		int fd = -1;
		const char *name;

		write_source(cases[i].functions, "function", cases[i].text);
		run("cd %s && gcc -nostdlib -shared source.s -o foreign.so", directory);
		fd = open_file("foreign.so");
		assert_int_equal(lt_elf_open(fd, &image), 0);
		assert_int_equal(first_plan(image, &plan), -ENOENT);
		name = lt_collector_foreign(image);
		if (!cases[i].name)
			assert_null(name);
		else
			assert_string_equal(name ? name : "nothing", cases[i].name);
	}
}

static void write_file(const char *name, const void *data, size_t n)
{
	char path[128];
	FILE *out = fopen(path_of(name, path), "w");

	assert_non_null(out);
	assert_int_equal(fwrite(data, 1, n, out), n);
	assert_int_equal(fclose(out), 0);
}

static void what_is_no_elf_file_is_refused(void **state)
{
	static const char elf32[64] = "\177ELF\1\1\1";
	static const char elf64[64] = "\177ELF\2\1\1";
	struct lt_probe_plan plan;

	(void)state;
	write_file("foreign", "", 0);
	assert_int_equal(plan_of("foreign", &plan), -ENOEXEC);
	write_file("foreign", "#!/bin/sh\necho SSL_read SSL_write\n", 34);
	assert_int_equal(plan_of("foreign", &plan), -ENOEXEC);
	write_file("foreign", elf32, sizeof(elf32));
	assert_int_equal(plan_of("foreign", &plan), -ENOEXEC);
	write_file("foreign", elf64, 20);
	assert_true(plan_of("foreign", &plan) < 0);
	write_file("foreign", elf64, sizeof(elf64));
	assert_true(plan_of("foreign", &plan) < 0);
	assert_int_equal(plan_of(".", &plan), -ENOEXEC);
}

static size_t read_file(const char *name, unsigned char *to)
{
	lt_defer(lt_closep)
	int fd = open_file(name);
	ssize_t n = read(fd, to, SMALL_MAX);

	assert_in_range(n, 1, SMALL_MAX - 1);
	return (size_t)n;
}

/* Everything that doctor and scout ask of a file. It may say anything, and must come back. */
static int look_through(const char *name)
{
	lt_defer(lt_elf_freep)
	struct lt_elf_image *image = NULL;
	struct lt_probe_plan plan;
	uint8_t id[LT_BUILD_ID_MAX];
	lt_defer(lt_closep)
	int fd = open_file(name);
	int r = lt_elf_open(fd, &image);

	if (r < 0)
		return r;
	r = first_plan(image, &plan);
	if (r == 0)
		assert_in_range(plan.count, 2, LT_PROBES_MAX);
	assert_in_range(lt_elf_build_id(image, id), 0, LT_BUILD_ID_MAX);
	lt_collector_foreign(image);
	return r;
}

static void files_cut_short_are_errors_or_nothing(void **state)
{
	unsigned char *data = malloc(SMALL_MAX);
	size_t n, step;

	(void)state;
	assert_non_null(data);
	build(ALL, "-shared", "shared.so");
	n = read_file("shared.so", data);
	step = n / 300 + 1;
	for (size_t cut = 0; cut < n; cut += step) {
		write_file("cut.so", data, cut);
		assert_int_equal(look_through("cut.so"), cut < 16 ? -ENOEXEC : -EBADMSG);
	}
	write_file("cut.so", data, n);
	assert_int_equal(look_through("cut.so"), 0);
	free(data);
}

static void broken_files_do_no_harm(void **state)
{
	unsigned char *data = malloc(SMALL_MAX), *bad = malloc(SMALL_MAX);
	uint64_t seed = 11;
	unsigned refused = 0;
	size_t n;

	(void)state;
	assert_non_null(data);
	assert_non_null(bad);
	build(ALL, "-shared", "shared.so");
	n = read_file("shared.so", data);
	for (int round = 0; round < 3000; round++) {
		memcpy(bad, data, n);
		for (int i = 0; i <= round % 8; i++) {
			/* The file header, the section headers at the end, or anywhere. */
			size_t where[] = {16 + (seed >> 33) % 48, n - 1 - (seed >> 33) % 1024,
					  (seed >> 33) % n};
			static const unsigned char values[] = {0, 1, 0x7f, 0x80, 0xff};

			bad[where[round % 3]] = values[(seed >> 20) % 5];
			seed = seed * 6364136223846793005u + 1442695040888963407u;
		}
		write_file("bad.so", bad, n);
		refused += look_through("bad.so") < 0;
	}
	assert_in_range(refused, 100, 2900);
	free(data);
	free(bad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shared_library_whole_and_stripped),
		cmocka_unit_test(versions_of_symbols_are_no_part_of_their_names),
		cmocka_unit_test(program_that_carries_the_library),
		cmocka_unit_test(both_directions_make_a_tls_library),
		cmocka_unit_test(users_of_the_library_are_not_the_library),
		cmocka_unit_test(boringssl_is_told_from_openssl),
		cmocka_unit_test(boringssl_whose_functions_are_local),
		cmocka_unit_test(gnutls_whole_stripped_and_inside_a_program),
		cmocka_unit_test(half_of_gnutls_is_nothing),
		cmocka_unit_test(nss_in_two_files_and_in_one),
		cmocka_unit_test(half_of_nspr_is_nothing),
		cmocka_unit_test(wolfssl_with_the_names_of_openssl),
		cmocka_unit_test(functions_that_take_no_probe_are_left_out),
		cmocka_unit_test(stacks_whole_and_by_halves),
		cmocka_unit_test(hooks_say_what_functions_do),
		cmocka_unit_test(build_id_is_the_linkers),
		cmocka_unit_test(stacks_that_are_not_read_are_named),
		cmocka_unit_test(what_is_no_elf_file_is_refused),
		cmocka_unit_test(files_cut_short_are_errors_or_nothing),
		cmocka_unit_test(broken_files_do_no_harm),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
