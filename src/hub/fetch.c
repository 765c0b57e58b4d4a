#include "hub/fetch.h"

#include "hub/easy.h"

#include "core/file.h"
#include "core/hash.h"
#include "core/progress.h"
#include "hub/sha1.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_REDIRECTS = 8, MOST_TRIES = 6, MOST_ETAG = 256 };

/* One request and what came of it. */
typedef struct transfer {
    const fetch_request *request;
    CURL *easy;
    int file;          /* -1: into `text` */
    strbuf *text;
    uint64_t from;     /* bytes that were there before */
    uint64_t got;
    bool begun, write_failed, too_long, wrong_range;
    long code;
    double retry_after;
    uint64_t range_start;
    bool has_range;
    char etag[MOST_ETAG], linked_etag[MOST_ETAG], next[2048];
} transfer;

/* ---- what comes in ---------------------------------------------------------------------------------------------- */

static void copy_value(char *to, size_t size, slice value)
{
    value = slice_trim(value);
    snprintf(to, size, SLICE_FORMAT, SLICE_ARGS(value));
}

/* Link: <URL>; rel="next" */
static void read_link(transfer *t, slice value)
{
    size_t end = slice_find(value, SLICE(">"), 0), start = slice_find(value, SLICE("<"), 0);
    if (end != SIZE_MAX && start < end && slice_find(value, SLICE("rel=\"next\""), end) != SIZE_MAX)
        copy_value(t->next, sizeof t->next, slice_sub(value, start + 1, end));
}

static size_t receive_header(char *bytes, size_t size, size_t count, void *context)
{
    transfer *t = context;
    slice line = {bytes, size * count}, name;
    if (slice_starts(line, SLICE("HTTP/"))) {
        t->etag[0] = t->next[0] = '\0';
        t->has_range = false;
    }
    if (!slice_cut(&line, ':', &name) || !line.text)
        return size * count;
    slice value = slice_trim(line);
    const bool is[] = {name.length == 4 && slice_find_nocase(name, SLICE("etag"), 0) == 0,
                       name.length == 13 && slice_find_nocase(name, SLICE("x-linked-etag"), 0) == 0,
                       name.length == 4 && slice_find_nocase(name, SLICE("link"), 0) == 0,
                       name.length == 13 && slice_find_nocase(name, SLICE("content-range"), 0) == 0};
    if (is[0])
        copy_value(t->etag, sizeof t->etag, value);
    if (is[1])
        copy_value(t->linked_etag, sizeof t->linked_etag, value);
    if (is[2])
        read_link(t, value);
    int64_t start;
    size_t dash = slice_find(value, SLICE("-"), 0);
    if (is[3] && slice_starts(value, SLICE("bytes ")) && dash != SIZE_MAX && slice_to_int(slice_sub(value, 6, dash), &start)) {
        t->has_range = true;
        t->range_start = (uint64_t)start;
    }
    return size * count;
}

static void etag_path(const transfer *t, char *path, size_t size)
{
    snprintf(path, size, "%s.part.etag", t->request->path);
}

/* Before the first byte, so that a killed process can go on too. A weak ETag does not promise the same bytes: what it
 * belongs to is not gone on with. */
static void keep_etag(const transfer *t)
{
    char path[4096];
    etag_path(t, path, sizeof path);
    if (t->etag[0] == '"')
        file_write(path, slice_of(t->etag), NULL);
    else
        unlink(path);
}

/* The first bytes of an answer decide: the rest of what is there, or all anew. */
static bool begin(transfer *t)
{
    t->begun = true;
    if (t->file >= 0)
        keep_etag(t);
    if (t->file < 0 || t->code == 206) {
        t->wrong_range = t->file >= 0 && (!t->has_range || t->range_start != t->from);
        return !t->wrong_range;
    }
    t->from = 0;
    return ftruncate(t->file, 0) == 0 && lseek(t->file, 0, SEEK_SET) == 0;
}

static size_t receive(char *bytes, size_t size, size_t count, void *context)
{
    transfer *t = context;
    size_t length = size * count, done = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &t->code);
    if (t->code != 200 && t->code != 206)
        return length; /* the page of an error */
    if (!t->begun && !begin(t)) {
        t->write_failed = !t->wrong_range;
        return 0;
    }
    if (t->file < 0) {
        strbuf_add_bytes(t->text, bytes, length);
        t->too_long = t->text->failed;
        return t->too_long ? 0 : length;
    }
    if (t->request->size >= 0 && t->from + t->got + length > (uint64_t)t->request->size) {
        t->too_long = true;
        return 0;
    }
    while (done < length) {
        ssize_t n = write(t->file, bytes + done, length - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            t->write_failed = true;
            return 0;
        }
        done += (size_t)n;
    }
    t->got += length;
    return length;
}

static int watch(void *context, curl_off_t expected, curl_off_t got, curl_off_t to_send, curl_off_t sent)
{
    transfer *t = context;
    (void)got, (void)to_send, (void)sent;
    const fetch_request *r = t->request;
    if (r->on_progress && t->file >= 0 && t->begun)
        r->on_progress(r->context, t->from + t->got,
                       r->size >= 0 ? (uint64_t)r->size : expected > 0 ? t->from + (uint64_t)expected : 0);
    return r->interrupt && atomic_load(r->interrupt);
}

/* ---- one request, with its redirects ---------------------------------------------------------------------------- */

/* "https://host:port" of a URL, as far as it is one. */
static slice origin_of(const char *url)
{
    const char *host = strstr(url, "://");
    if (!host)
        return slice_of(url);
    return (slice){url, (size_t)(host + 3 - url) + strcspn(host + 3, "/?#")};
}

static CURL *new_easy(transfer *t)
{
    CURL *easy = easy_new();
    if (!easy)
        return NULL;
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, 20L);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L); /* a transfer that stands still for a minute is broken */
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, 60L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "assay/" ASSAY_VERSION);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, receive_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, watch);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, t);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    return easy;
}

/* Adds "NAME: VALUE"; the list, or NULL when memory is out (the old one is then freed). */
static struct curl_slist *add_header(struct curl_slist *list, const char *name, const char *value)
{
    char line[4096];
    snprintf(line, sizeof line, "%s: %s", name, value);
    struct curl_slist *longer = curl_slist_append(list, line);
    sodium_memzero(line, sizeof line);
    if (!longer)
        curl_slist_free_all(list);
    return longer;
}

static CURLcode perform(transfer *t, const char *url, const char *if_range, bool with_token)
{
    char range[64];
    struct curl_slist *headers = curl_slist_append(NULL, "Accept-Encoding: identity");
    if (headers && with_token && t->request->token) {
        char bearer[2048];
        snprintf(bearer, sizeof bearer, "Bearer %s", t->request->token);
        headers = add_header(headers, "Authorization", bearer);
        sodium_memzero(bearer, sizeof bearer);
    }
    if (headers && t->from > 0) {
        snprintf(range, sizeof range, "bytes=%llu-", (unsigned long long)t->from);
        headers = add_header(headers, "Range", range);
        if (headers)
            headers = add_header(headers, "If-Range", if_range);
    }
    if (!headers)
        return CURLE_OUT_OF_MEMORY;
    curl_easy_setopt(t->easy, CURLOPT_URL, url);
    curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, headers);
    t->code = 0;
    CURLcode code = curl_easy_perform(t->easy);
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &t->code);
    curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, NULL);
    for (struct curl_slist *h = headers; h; h = h->next)
        sodium_memzero(h->data, strlen(h->data));
    curl_slist_free_all(headers);
    return code;
}

static CURLcode follow(transfer *t, const char *if_range, error *err)
{
    char url[8192];
    slice home = origin_of(t->request->url);
    snprintf(url, sizeof url, "%s", t->request->url);
    for (int i = 0; i <= MOST_REDIRECTS; i++) {
        char *target = NULL;
        CURLcode code = perform(t, url, if_range, slice_equal(origin_of(url), home));
        curl_easy_getinfo(t->easy, CURLINFO_REDIRECT_URL, &target);
        if (code != CURLE_OK || t->code < 300 || t->code >= 400 || !target)
            return code;
        if (strncmp(url, "https:", 6) == 0 && strncmp(target, "https:", 6) != 0) {
            error_set(err, STATUS_REFUSED, "%s leads from https to %.200s", t->request->url, target);
            return CURLE_OK;
        }
        snprintf(url, sizeof url, "%s", target);
    }
    error_set(err, STATUS_NETWORK, "%s leads from one address to another more than %d times", t->request->url, MOST_REDIRECTS);
    return CURLE_OK;
}

/* ---- outcome ---------------------------------------------------------------------------------------------------- */

static const struct {
    long code;
    status status;
    const char *words, *hint;
} answers[] = {
    {401, STATUS_REFUSED, "it wants a token, or there is no such thing", "see the name; for what is not public set HF_TOKEN"},
    {403, STATUS_REFUSED, "access is not granted", "accept its terms on its page, and set HF_TOKEN"},
    {404, STATUS_NOT_FOUND, "there is no such thing", "see the name and the revision"},
    {410, STATUS_NOT_FOUND, "it is gone", "see the name and the revision"},
};

static bool worth_another(const transfer *t, CURLcode code)
{
    if (t->write_failed || t->too_long || code == CURLE_ABORTED_BY_CALLBACK)
        return false;
    if (code != CURLE_OK)
        return t->wrong_range || code == CURLE_COULDNT_CONNECT || code == CURLE_PARTIAL_FILE || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR ||
               code == CURLE_GOT_NOTHING || code == CURLE_OPERATION_TIMEDOUT || code == CURLE_COULDNT_RESOLVE_HOST ||
               code == CURLE_HTTP2 || code == CURLE_HTTP2_STREAM;
    return t->code == 408 || t->code == 416 || t->code == 429 || t->code >= 500;
}

static status outcome_of(const transfer *t, CURLcode code, error *err)
{
    const char *url = t->request->url;
    if (code == CURLE_ABORTED_BY_CALLBACK)
        return error_set(err, STATUS_INTERRUPTED, "interrupted; the same command goes on where it stopped");
    if (t->write_failed)
        return error_system(err, "cannot write %s.part", t->request->path);
    if (t->too_long)
        return error_set(err, STATUS_INVALID, "%s is longer than it should be", url);
    if (code != CURLE_OK)
        return error_set(err, STATUS_NETWORK, "%s: %s", url, t->wrong_range ? "the server sent another part than was asked for" : curl_easy_strerror(code));
    if (t->code == 200 || t->code == 206)
        return STATUS_OK;
    for (size_t i = 0; i < COUNT_OF(answers); i++)
        if (answers[i].code == t->code) {
            error_set(err, answers[i].status, "%s: %s (%ld)", url, answers[i].words, t->code);
            return error_hint(err, "%s", answers[i].hint);
        }
    return error_set(err, STATUS_NETWORK, "%s: the server answered %ld", url, t->code);
}

/* Sleeps in pieces; false when interrupted. */
static bool wait(const fetch_request *r, double seconds)
{
    for (double end = clock_seconds() + seconds; clock_seconds() < end;) {
        if (r->interrupt && atomic_load(r->interrupt))
            return false;
        usleep(50000);
    }
    return true;
}

static void start_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* Tries until it is there, or it is no use. `before` makes ready for each try. */
static status try_all(transfer *t, void (*before)(transfer *t, char etag[MOST_ETAG]), error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    double pause = t->request->retry_seconds > 0 ? t->request->retry_seconds : .5;
    pthread_once(&once, start_curl);
    if (!(t->easy = new_easy(t)))
        return error_set(err, STATUS_MEMORY, "out of memory while fetching %s", t->request->url);
    status result = STATUS_OK;
    for (int failed = 0;;) {
        char etag[MOST_ETAG] = "";
        error redirect = {0};
        curl_off_t after_seconds = 0;
        t->begun = t->wrong_range = false;
        t->got = 0;
        before(t, etag);
        CURLcode code = follow(t, etag, &redirect);
        curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &after_seconds);
        result = redirect.code != STATUS_OK ? redirect.code : outcome_of(t, code, err);
        if (redirect.code != STATUS_OK && err)
            *err = redirect;
        failed = t->got > 0 ? 1 : failed + 1;
        if (result == STATUS_OK || redirect.code != STATUS_OK || !worth_another(t, code) || failed >= MOST_TRIES)
            break;
        double seconds = pause * (double)(1 << (failed - 1));
        seconds = (double)after_seconds > seconds ? (double)after_seconds : seconds;
        if (!wait(t->request, seconds < 60 ? seconds : 60)) {
            result = error_set(err, STATUS_INTERRUPTED, "interrupted; the same command goes on where it stopped");
            break;
        }
    }
    curl_easy_cleanup(t->easy);
    return result;
}

/* ---- into memory ------------------------------------------------------------------------------------------------ */

static void before_text(transfer *t, char etag[MOST_ETAG])
{
    (void)etag;
    strbuf_clear(t->text);
}

status fetch_text(const fetch_request *r, size_t limit, strbuf *out, arena *a, const char **next, error *err)
{
    *out = strbuf_new(a, limit);
    transfer t = {.request = r, .file = -1, .text = out};
    TRY(try_all(&t, before_text, err));
    *next = t.next[0] ? arena_strdup(a, t.next) : NULL;
    return STATUS_OK;
}

/* ---- into a file ------------------------------------------------------------------------------------------------ */

/* Goes on where there is something, with an ETag that it belongs to. */
static void before_file(transfer *t, char etag[MOST_ETAG])
{
    char path[4096];
    struct stat about;
    slice text = {0};
    arena *a = arena_new(NULL);
    etag_path(t, path, sizeof path);
    t->from = 0;
    if (a && fstat(t->file, &about) == 0 && about.st_size > 0 && t->code != 416 && !t->wrong_range &&
        file_read(a, path, MOST_ETAG - 1, &text, NULL) == STATUS_OK && text.length > 0) {
        snprintf(etag, MOST_ETAG, SLICE_FORMAT, SLICE_ARGS(text));
        t->from = (uint64_t)about.st_size;
    }
    if (t->from == 0 && ftruncate(t->file, 0) != 0)
        t->write_failed = true;
    lseek(t->file, (off_t)t->from, SEEK_SET);
    arena_free(a);
}

/* Both sums in one reading. */
static status check_content(const fetch_request *r, int file, uint64_t size, error *err)
{
    char buffer[1 << 16], head[64], hex[SHA256_HEX], git[SHA1_HEX];
    unsigned char digest[SHA256_BYTES];
    sha256 sum;
    sha1 blob;
    sha256_start(&sum);
    sha1_start(&blob);
    sha1_add(&blob, head, (size_t)snprintf(head, sizeof head, "blob %llu", (unsigned long long)size) + 1);
    lseek(file, 0, SEEK_SET);
    for (ssize_t n; (n = read(file, buffer, sizeof buffer)) != 0;) {
        if (n < 0)
            return error_system(err, "cannot read %s.part", r->path);
        if (r->sha256)
            sha256_add(&sum, buffer, (size_t)n);
        if (r->git_sha1)
            sha1_add(&blob, buffer, (size_t)n);
    }
    sha256_end(&sum, digest);
    sha256_hex(digest, hex);
    sha1_end(&blob, git);
    bool right = (!r->sha256 || strcmp(hex, r->sha256) == 0) && (!r->git_sha1 || strcmp(git, r->git_sha1) == 0);
    if (right)
        return STATUS_OK;
    error_set(err, STATUS_INVALID, "%s: expected the hash %s, found %s", r->url, r->sha256 ? r->sha256 : r->git_sha1, r->sha256 ? hex : git);
    return error_hint(err, "what came was removed; try again, and if it stays so do not trust the server");
}

static status complete(transfer *t, const char *part, error *err)
{
    const fetch_request *r = t->request;
    struct stat about;
    char path[4096];
    if (fstat(t->file, &about) != 0)
        return error_system(err, "cannot read %s", part);
    status result = STATUS_OK;
    if (r->size >= 0 && about.st_size != r->size)
        result = error_set(err, STATUS_INVALID, "%s: expected %lld bytes, found %lld", r->url, (long long)r->size, (long long)about.st_size);
    if (result == STATUS_OK && (r->sha256 || r->git_sha1))
        result = check_content(r, t->file, (uint64_t)about.st_size, err);
    if (result == STATUS_OK && (fsync(t->file) != 0 || rename(part, r->path) != 0))
        return error_system(err, "cannot complete %s", r->path);
    if (result != STATUS_OK)
        unlink(part);
    etag_path(t, path, sizeof path);
    unlink(path);
    return result;
}

status fetch_file(const fetch_request *r, error *err)
{
    char part[4096];
    if (snprintf(part, sizeof part, "%s.part", r->path) >= (int)sizeof part - 8)
        return error_set(err, STATUS_INVALID, "the path %s is too long", r->path);
    transfer t = {.request = r, .file = open(part, O_RDWR | O_CREAT | O_CLOEXEC, 0666)};
    if (t.file < 0)
        return error_system(err, "cannot write %s", part);
    struct stat about;
    /* All of it came last time, and only the check is missing: there is nothing to ask for. */
    bool whole = r->size > 0 && (r->sha256 || r->git_sha1) && fstat(t.file, &about) == 0 && about.st_size == r->size;
    if (whole && check_content(r, t.file, (uint64_t)about.st_size, NULL) != STATUS_OK) {
        whole = false; /* as long, but another file */
        if (ftruncate(t.file, 0) != 0)
            t.write_failed = true;
    }
    status result = whole ? STATUS_OK : try_all(&t, before_file, err);
    if (result == STATUS_OK && !whole && !t.begun && ftruncate(t.file, 0) != 0) /* an empty file has no first byte */
        result = error_system(err, "cannot write %s", part);
    if (result == STATUS_OK)
        result = complete(&t, part, err);
    else if (t.too_long)
        unlink(part);
    close(t.file);
    return result;
}
