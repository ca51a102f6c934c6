// SPDX-License-Identifier: Apache-2.0
#include "userspace/discover/survey.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/sysmacros.h>

#include "collectors/collector.h"
#include "collectors/elf_image.h"
#include "collectors/foreign.h"
#include "userspace/base/alloc.h"
#include "userspace/base/parse.h"
#include "userspace/discover/images.h"
#include "userspace/discover/maps.h"

enum { FILES_MAX = 1024, SIGHTS_MAX = 4096, SIGHT_NOTHING = -1, SIGHT_NEW = -2 };

struct file {
	char collectors[48];
	struct lt_image_id id;
	struct lt_survey_file told;
	uint32_t last_pid;
	char path[LT_MAPS_PATH];
};

/* A mapping that led to a file: one file has a sight for each overlay mount that shows it. */
struct sight {
	uint64_t device, inode;
	int file;
};

struct survey {
	const char *proc;
	struct lt_image_id own;	  /* this program names the stacks that it looks for */
	struct lt_images *images; /* what was looked at */
	struct file files[FILES_MAX];
	int file_count;
	struct sight sights[SIGHTS_MAX];
	int sight_count;
	struct lt_survey_totals totals;
};

static struct survey *survey_free(struct survey *s)
{
	lt_images_free(s->images);
	lt_free(s);
	return NULL;
}

LT_DEFINE_FREEP(survey_free, struct survey)

static int find_sight(struct survey *s, uint64_t device, uint64_t inode)
{
	for (int i = 0; i < s->sight_count; i++) {
		if (s->sights[i].device == device && s->sights[i].inode == inode)
			return s->sights[i].file;
	}
	return lt_images_first_sight(s->images, device, inode) ? SIGHT_NEW : SIGHT_NOTHING;
}

static int find_file(const struct survey *s, const struct lt_image_id *id)
{
	for (int i = 0; i < s->file_count; i++) {
		if (lt_images_same(&s->files[i].id, id))
			return i;
	}
	return s->file_count;
}

/* Which file it is, SIGHT_NOTHING when it has no TLS. */
static int look_into(struct survey *s, int fd, const char *path)
{
	struct file *file = &s->files[s->file_count];
	lt_defer(lt_elf_freep)
	struct lt_elf_image *image = NULL;
	struct lt_probe_plans plans = {0};
	const char *foreign = NULL;
	struct lt_image_id id;
	int r, found;

	r = lt_elf_open(fd, &image);
	if (r == 0)
		r = lt_collector_plans(image, &plans);
	if (r == -ENOENT && (foreign = lt_collector_foreign(image)))
		r = 0;
	if (r == -EBADMSG)
		s->totals.broken++;
	if (r < 0 || lt_images_identify(fd, image, &id) < 0 || lt_images_same(&id, &s->own))
		return SIGHT_NOTHING;
	found = find_file(s, &id);
	if (found < s->file_count || found == FILES_MAX)
		return found < FILES_MAX ? found : SIGHT_NOTHING;
	*file = (struct file){
		.id = id,
		.told = {.foreign = foreign},
	};
	for (unsigned i = 0; i < plans.count; i++) {
		size_t n = strlen(file->collectors);

		snprintf(file->collectors + n, sizeof(file->collectors) - n, "%s%s",
			 i > 0 ? " and " : "", plans.plans[i].collector);
		file->told.probes += plans.plans[i].count;
		file->told.collector = file->collectors;
	}
	snprintf(file->path, sizeof(file->path), "%s", path);
	return s->file_count++;
}

static void note_process(struct file *file, uint32_t pid)
{
	struct lt_survey_file *told = &file->told;

	/* A file has several executable segments now and then; processes come one by one. */
	if (told->processes > 0 && file->last_pid == pid)
		return;
	file->last_pid = pid;
	if (told->processes < LT_SURVEY_PIDS)
		told->pids[told->processes] = pid;
	told->processes++;
}

static int look_at(struct survey *s, const struct lt_mapping *m)
{
	uint64_t device = makedev(m->major, m->minor);
	int found = find_sight(s, device, m->inode);
	char path[LT_MAPS_PATH];
	lt_defer(lt_closep)
	int fd = -1;

	if (found == SIGHT_NEW) {
		fd = lt_maps_open(s->proc, m, path);
		if (fd < 0) {
			lt_images_unsee(s->images, device, m->inode);
			return fd;
		}
		found = look_into(s, fd, path);
		if (found >= 0 && s->sight_count < SIGHTS_MAX)
			s->sights[s->sight_count++] = (struct sight){device, m->inode, found};
	}
	if (found >= 0)
		note_process(&s->files[found], m->pid);
	return 0;
}

static void look_at_process(struct survey *s, uint32_t pid)
{
	lt_defer(lt_fclosep)
	FILE *maps = NULL;
	char path[512], line[512];
	bool closed = false;
	size_t lines = 0;

	snprintf(path, sizeof(path), "%s/%u/maps", s->proc, pid);
	maps = fopen(path, "re");
	closed = !maps && (errno == EACCES || errno == EPERM);
	while (maps && lines++ < LT_MAPS_LINES_MAX && fgets(line, sizeof(line), maps)) {
		struct lt_mapping m;
		int r = 0;

		if (lt_maps_parse_line(line, pid, &m))
			r = look_at(s, &m);
		closed |= r == -EACCES || r == -EPERM;
	}
	s->totals.processes++;
	s->totals.closed += closed;
}

static int identify_own(struct lt_image_id *ret)
{
	lt_defer(lt_elf_freep)
	struct lt_elf_image *image = NULL;
	lt_defer(lt_closep)
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = lt_elf_open(fd, &image);
	return r < 0 ? r : lt_images_identify(fd, image, ret);
}

int lt_survey(const char *proc, void (*each)(void *arg, const struct lt_survey_file *file),
	      void *arg, struct lt_survey_totals *ret)
{
	lt_defer(survey_freep)
	struct survey *s = lt_calloc(1, sizeof(*s));
	struct dirent *entry;
	uint64_t pid;
	DIR *dir;
	int r;

	if (!s)
		return -ENOMEM;
	s->proc = proc;
	r = identify_own(&s->own);
	if (r == 0)
		r = lt_images_new(&s->images);
	if (r < 0)
		return r;
	dir = opendir(proc);
	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		if (lt_parse_u64(lt_bytes_str(entry->d_name), &pid) == 0 && pid <= UINT32_MAX &&
		    pid != (uint64_t)getpid())
			look_at_process(s, (uint32_t)pid);
	}
	closedir(dir);
	for (int i = 0; i < s->file_count; i++) {
		s->files[i].told.path = s->files[i].path;
		each(arg, &s->files[i].told);
	}
	*ret = s->totals;
	return 0;
}
