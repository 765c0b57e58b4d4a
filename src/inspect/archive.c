#include "inspect/archive.h"

#include <sys/stat.h>
#include <zip.h>
#include <zlib.h>
#include <zstd.h>

enum { METHOD_ZSTD = 93, PACKED = 1 << 16 };
static const uint64_t harmless = 256 << 20, most_ratio = 1000, most_bytes = (uint64_t)1 << 40;

struct archive {
    zip_t *zip;
    const char *path; /* the caller's */
    size_t count;
};

struct archive_member {
    archive *archive;
    const char *name;
    zip_file_t *file;
    uint64_t length, read;
    uint32_t sum, expected_sum;
    ZSTD_DCtx *zstd; /* NULL: libzip unpacks */
    ZSTD_inBuffer in;
    char packed[PACKED];
};

static status damaged(const char *path, const char *what, error *err)
{
    error_set(err, STATUS_INVALID, "%s: %s", path, what);
    return error_hint(err, "copy it again from where it was written");
}

/* What unpacks to far more than logs do is made to fill memory or disk. */
static status check_sizes(archive *z, error *err)
{
    struct stat about;
    uint64_t total = 0;
    if (stat(z->path, &about) != 0)
        return error_system(err, "cannot read %s", z->path);
    for (size_t i = 0; i < z->count; i++) {
        zip_stat_t member;
        if (zip_stat_index(z->zip, i, 0, &member) != 0 || !(member.valid & ZIP_STAT_SIZE) || !(member.valid & ZIP_STAT_NAME))
            return damaged(z->path, "the archive does not say what it holds", err);
        if (member.size > most_bytes || total + member.size > most_bytes)
            return error_set(err, STATUS_LIMIT, "%s unpacks to more than 1 TiB", z->path);
        total += member.size;
    }
    if (total > harmless && total / most_ratio > (uint64_t)about.st_size)
        return error_set(err, STATUS_LIMIT, "%s has %lld bytes and says to unpack to %llu: no log does that", z->path,
                         (long long)about.st_size, (unsigned long long)total);
    return STATUS_OK;
}

status archive_open(const char *path, archive **out, error *err)
{
    int code = 0;
    *out = NULL;
    archive *z = memory_alloc(sizeof *z);
    if (!z)
        return error_set(err, STATUS_MEMORY, "out of memory while opening %s", path);
    *z = (archive){.path = path, .zip = zip_open(path, ZIP_RDONLY | ZIP_CHECKCONS, &code)};
    if (!z->zip) {
        memory_free(z);
        if (code == ZIP_ER_NOENT)
            return error_set(err, STATUS_NOT_FOUND, "there is no file %s", path);
        zip_error_t words;
        zip_error_init_with_code(&words, code);
        error_set(err, STATUS_INVALID, "%s is no whole ZIP archive, as an .eval log is: %s", path, zip_error_strerror(&words));
        zip_error_fini(&words);
        return error_hint(err, "a log that was cut off while it was written or copied has no list of its members");
    }
    z->count = (size_t)zip_get_num_entries(z->zip, 0);
    status result = check_sizes(z, err);
    if (result != STATUS_OK)
        archive_close(z);
    else
        *out = z;
    return result;
}

void archive_close(archive *z)
{
    if (!z)
        return;
    zip_discard(z->zip);
    memory_free(z);
}

size_t archive_count(const archive *z)
{
    return z->count;
}

const char *archive_name(const archive *z, size_t i)
{
    const char *name = zip_get_name(z->zip, i, 0);
    return name ? name : "";
}

size_t archive_find(const archive *z, const char *name)
{
    zip_int64_t i = zip_name_locate(z->zip, name, 0);
    return i < 0 ? SIZE_MAX : (size_t)i;
}

status archive_member_open(archive *z, size_t i, archive_member **out, error *err)
{
    zip_stat_t about;
    *out = NULL;
    archive_member *m = memory_alloc(sizeof *m);
    if (!m)
        return error_set(err, STATUS_MEMORY, "out of memory while reading %s", z->path);
    memset(m, 0, sizeof *m);
    m->archive = z;
    bool known = zip_stat_index(z->zip, i, 0, &about) == 0;
    bool zstd = known && (about.valid & ZIP_STAT_COMP_METHOD) && about.comp_method == METHOD_ZSTD;
    m->name = known ? about.name : "";
    m->length = known ? about.size : 0;
    m->expected_sum = known ? about.crc : 0;
    m->sum = (uint32_t)crc32(0, NULL, 0);
    m->file = known ? zip_fopen_index(z->zip, i, zstd ? ZIP_FL_COMPRESSED : 0) : NULL;
    m->zstd = zstd ? ZSTD_createDCtx() : NULL;
    if (m->file && (m->zstd || !zstd)) {
        *out = m;
        return STATUS_OK;
    }
    status result = error_set(err, m->file ? STATUS_MEMORY : STATUS_INVALID, "%s: cannot read its member %s: %s", z->path, m->name,
                              m->file ? "out of memory" : zip_strerror(z->zip));
    archive_member_close(m);
    return result;
}

static status member_damaged(const archive_member *m, const char *what, error *err)
{
    error_set(err, STATUS_INVALID, "%s: its member %s is damaged: %s", m->archive->path, m->name, what);
    return error_hint(err, "copy it again from where it was written");
}

/* Zstandard: several frames may follow each other. */
static status read_zstd(archive_member *m, char *bytes, size_t room, size_t *got, error *err)
{
    ZSTD_outBuffer out = {bytes, room, 0};
    while (out.pos == 0) {
        bool dry = m->in.pos == m->in.size;
        if (dry) {
            zip_int64_t n = zip_fread(m->file, m->packed, PACKED);
            if (n < 0)
                return member_damaged(m, zip_file_strerror(m->file), err);
            m->in = (ZSTD_inBuffer){m->packed, (size_t)n, 0};
            dry = n == 0;
        }
        size_t code = ZSTD_decompressStream(m->zstd, &out, &m->in);
        if (ZSTD_isError(code))
            return member_damaged(m, ZSTD_getErrorName(code), err);
        if (dry && out.pos == 0)
            break;
    }
    *got = out.pos;
    return STATUS_OK;
}

status archive_member_read(void *member, char *bytes, size_t room, size_t *got, error *err)
{
    archive_member *m = member;
    *got = 0;
    if (m->zstd) {
        TRY(read_zstd(m, bytes, room, got, err));
    } else {
        zip_int64_t n = zip_fread(m->file, bytes, room);
        if (n < 0)
            return member_damaged(m, zip_file_strerror(m->file), err);
        *got = (size_t)n;
    }
    m->read += *got;
    m->sum = (uint32_t)crc32(m->sum, (const Bytef *)bytes, (uInt)*got);
    if (m->read > m->length)
        return member_damaged(m, "it is longer than the archive says", err);
    if (*got == 0 && (m->read < m->length || m->sum != m->expected_sum))
        return member_damaged(m, m->read < m->length ? "it is shorter than the archive says" : "its check sum is wrong", err);
    return STATUS_OK;
}

void archive_member_close(archive_member *m)
{
    if (!m)
        return;
    if (m->file)
        zip_fclose(m->file);
    ZSTD_freeDCtx(m->zstd);
    memory_free(m);
}
