// SPDX-License-Identifier: Apache-2.0
/* Where the sinks are in the ledger, and what they refused. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "userspace/base/clock.h"
#include "userspace/base/json_write.h"
#include "userspace/cmd/cmd.h"
#include "userspace/control/config.h"
#include "userspace/export/sinks.h"
#include "userspace/ledger/cursors.h"
#include "userspace/ledger/query.h"
#include "userspace/view/table.h"

static const char help[] =
	"Usage: ledgertap sinks [OPTIONS]\n\n"
	"How far each sink of the config has come, and how many records it has refused for good "
	"(dead letters).\n\n"
	"  --dead NAME      the dead letters of that sink\n"
	"  --json           for programs\n"
	"  --config FILE    settings (" LT_CONFIG_PATH ")\n"
	"  --state-dir DIR  where the ledger is (" LT_STATE_PATH ")\n"
	"  --help           this text\n\n"
	"Exit codes: 0 done, 1 failed, 2 wrong usage.\n";

enum { NAME, TYPE, BEHIND, DELIVERED, DEAD, LAST, COLUMNS };

static const struct lt_table_column columns[COLUMNS] = {
	[NAME] = {.title = "SINK"},
	[TYPE] = {.title = "TYPE"},
	[BEHIND] = {.title = "BEHIND", .align = LT_RIGHT},
	[DELIVERED] = {.title = "DELIVERED", .align = LT_RIGHT},
	[DEAD] = {.title = "DEAD LETTERS", .align = LT_RIGHT},
	[LAST] = {.title = "LAST"},
};

enum { DEAD_AT, DEAD_ID, DEAD_REVISION, DEAD_REASON, DEAD_COLUMNS };

static const struct lt_table_column dead_columns[DEAD_COLUMNS] = {
	[DEAD_AT] = {.title = "REFUSED"},
	[DEAD_ID] = {.title = "RECORD"},
	[DEAD_REVISION] = {.title = "REVISION", .align = LT_RIGHT},
	[DEAD_REASON] = {.title = "WHY", .least = 20},
};

struct listing {
	const char *config, *state_dir, *dead;
	bool json;
	struct lt_sinks sinks; /* of the config */
	bool seen[LT_SINKS_MAX];
	struct lt_ledger *ledger;
	struct lt_cursors *cursors; /* NULL: none was kept yet */
	uint8_t uid[16];
	struct lt_table *table;
	struct lt_json_writer w;
	int64_t now_ns;
};

static int put_json(struct listing *l, const struct lt_cursor *c, const char *type, uint64_t behind)
{
	lt_json_begin_object(&l->w);
	lt_json_key(&l->w, "sink");
	lt_json_string(&l->w, c->sink);
	lt_json_key(&l->w, "type");
	lt_json_string(&l->w, type);
	lt_json_key(&l->w, "behind");
	lt_json_u64(&l->w, behind);
	lt_json_key(&l->w, "delivered");
	lt_json_u64(&l->w, c->delivered);
	lt_json_key(&l->w, "dead_letters");
	lt_json_u64(&l->w, c->dead);
	lt_json_end_object(&l->w);
	return 0;
}

static int put_row(struct listing *l, const struct lt_cursor *c, const char *type, uint64_t behind)
{
	char text[COLUMNS][LT_HUMAN_TEXT];
	const char *const cell[COLUMNS] = {
		[NAME] = c->sink,
		[TYPE] = type ? type : "not in the config",
		[BEHIND] = lt_human_number(behind, text[BEHIND]),
		[DELIVERED] = lt_human_number(c->delivered, text[DELIVERED]),
		[DEAD] = lt_human_number(c->dead, text[DEAD]),
		[LAST] = c->last_ns ? lt_human_time(c->last_ns, l->now_ns, text[LAST]) : "-",
	};
	const enum lt_style style[COLUMNS] = {[DEAD] = c->dead ? LT_STYLE_WARN : LT_STYLE_PLAIN};

	return l->json ? put_json(l, c, type, behind) : lt_table_row(l->table, cell, style);
}

static int each_cursor(void *arg, const struct lt_cursor *c)
{
	struct listing *l = arg;
	struct lt_cursor shown = *c;
	const char *type = NULL;
	uint64_t behind = 0;
	int r;

	for (size_t i = 0; i < l->sinks.count; i++) {
		if (strcmp(l->sinks.sink[i]->name, c->sink) != 0)
			continue;
		l->seen[i] = true;
		type = l->sinks.sink[i]->kind;
	}
	/* A place in another ledger is none in this one. */
	if (memcmp(c->ledger, l->uid, sizeof(l->uid)) != 0)
		shown.seq = 0;
	r = lt_query_behind(l->ledger, shown.seq, &behind);
	return r < 0 ? r : put_row(l, &shown, type, behind);
}

/* Those that the agent has not begun with. */
static int put_unseen(struct listing *l)
{
	uint64_t behind = 0;
	int r = lt_query_behind(l->ledger, 0, &behind);

	for (size_t i = 0; r == 0 && i < l->sinks.count; i++) {
		struct lt_cursor none = {.seq = 0};

		if (l->seen[i])
			continue;
		snprintf(none.sink, sizeof(none.sink), "%s", l->sinks.sink[i]->name);
		r = put_row(l, &none, l->sinks.sink[i]->kind, behind);
	}
	return r;
}

static int each_dead(void *arg, const struct lt_dead_letter *dead)
{
	struct listing *l = arg;
	char id[LT_RECORD_ID_TEXT], at[LT_HUMAN_TEXT], revision[LT_HUMAN_TEXT];
	const char *const cell[DEAD_COLUMNS] = {
		[DEAD_AT] = lt_human_time(dead->at_ns, l->now_ns, at),
		[DEAD_ID] = lt_record_id_format(dead->id, id),
		[DEAD_REVISION] = lt_human_number(dead->revision, revision),
		[DEAD_REASON] = dead->reason,
	};

	if (!l->json)
		return lt_table_row(l->table, cell, NULL);
	lt_json_begin_object(&l->w);
	lt_json_key(&l->w, "record_id");
	lt_json_string(&l->w, id);
	lt_json_key(&l->w, "revision");
	lt_json_u64(&l->w, dead->revision);
	lt_json_key(&l->w, "reason");
	lt_json_string(&l->w, dead->reason);
	lt_json_end_object(&l->w);
	return 0;
}

static int fill(struct listing *l)
{
	int r = 0;

	if (l->dead)
		return l->cursors ? lt_dead_letters_each(l->cursors, l->dead, each_dead, l) : 0;
	if (l->cursors)
		r = lt_cursors_each(l->cursors, each_cursor, l);
	return r < 0 ? r : put_unseen(l);
}

static int list(struct listing *l)
{
	const struct lt_table_column *of = l->dead ? dead_columns : columns;
	int r = 0;

	l->now_ns = lt_clock_wall_ns();
	if (l->json) {
		lt_json_writer_init(&l->w, stdout);
		lt_json_begin_array(&l->w);
	} else {
		r = lt_table_new(of, l->dead ? (size_t)DEAD_COLUMNS : (size_t)COLUMNS,
				 lt_terminal_width(stdout), lt_terminal_colour(stdout), &l->table);
	}
	if (r == 0)
		r = fill(l);
	if (l->json) {
		lt_json_end_array(&l->w);
		putchar('\n');
	} else if (r == 0 && lt_table_rows(l->table) > 0) {
		lt_table_print(l->table, stdout);
	} else if (r == 0) {
		fputs(l->dead ? "no dead letters\n"
			      : "no sinks: the config has no section 'sinks'\n",
		      stderr);
	}
	l->table = lt_table_free(l->table);
	return r;
}

static int say(const struct lt_problem *problem)
{
	char text[1024];

	fprintf(stderr, "ledgertap sinks: %s\n", lt_problem_format(problem, text, sizeof(text)));
	return LT_EXIT_FAILED;
}

static int run(struct listing *l)
{
	lt_defer(lt_config_freep)
	struct lt_config *config = NULL;
	struct lt_problem problem = {0};
	int r = lt_config_load(l->config, &config, &problem);

	if (r == 0)
		r = lt_sinks_new(config->yaml, config->sinks, &l->sinks, &problem);
	if (r == 0)
		r = lt_ledger_open(l->state_dir, LT_LEDGER_READ, &l->ledger, &problem);
	if (r < 0)
		return say(&problem);
	r = lt_cursors_open(l->state_dir, LT_LEDGER_READ, &l->cursors, &problem);
	if (r < 0 && r != -ENOENT)
		return say(&problem);
	r = lt_ledger_uid(l->ledger, l->uid);
	if (r == 0)
		r = list(l);
	if (r == 0 && fflush(stdout) == 0)
		return LT_EXIT_OK;
	fprintf(stderr, "ledgertap sinks: %s\n", strerror(r < 0 ? -r : errno));
	return LT_EXIT_FAILED;
}

int lt_cmd_sinks(int argc, char **argv)
{
	static const struct option options[] = {
		{"dead", required_argument, NULL, 'd'},
		{"json", no_argument, NULL, 'j'},
		{"config", required_argument, NULL, 'c'},
		{"state-dir", required_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct listing l = {.state_dir = LT_STATE_PATH};
	int c, r;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'd') {
			l.dead = optarg;
		} else if (c == 'j') {
			l.json = true;
		} else if (c == 'c') {
			l.config = optarg;
		} else if (c == 's') {
			l.state_dir = optarg;
		} else {
			fputs(help, c == 'h' ? stdout : stderr);
			return c == 'h' ? LT_EXIT_OK : LT_EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "ledgertap sinks: unexpected argument '%s'\n", argv[optind]);
		return LT_EXIT_USAGE;
	}
	r = run(&l);
	lt_cursors_close(l.cursors);
	lt_ledger_close(l.ledger);
	lt_sinks_done(&l.sinks);
	return r;
}
