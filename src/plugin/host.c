#include "plugin/host.h"

#include "core/hash.h"
#include "core/jsonio.h"
#include "plugin/spawn.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>

enum {
    MOST_STARTS = 500,    /* of one host, in all */
    MOST_FRUITLESS = 5,   /* lost in a row, and not one dialogue came to its end */
    MOST_ANSWERS = 4096,   /* to an opening */
    MOST_REQUESTS = 10000, /* of one dialogue */
};
static const double usual_timeout = 120, greeting_seconds = 60, opening_seconds = 600, soon_seconds = .05, slice_seconds = .2;

/* One process and those who talk to it; it is stopped by the last of them once it is retired. */
typedef struct held {
    plugin_process *process;
    size_t users;
    bool retired;
} held;

struct plugin_host {
    const char *path;
    char sha256[SHA256_HEX];
    plugin_host_options options;
    plugin_declaration declaration;
    arena *arena;
    pthread_mutex_t lock;   /* around what follows */
    held *main, *alone;
    json_t *opening;
    plugin_check *check;
    void *check_context;
    uint64_t started, late;
    int fruitless;
    error broken; /* not started again, and why */
    pthread_mutex_t quarantine; /* one dialogue at a time is alone */
    atomic_bool interrupted;
};

/* ---- one process ------------------------------------------------------------------------------------------------ */

/* Hears in slices, so that Ctrl-C is noticed while a process is started, which no dialogue of a sample sees. */
static status hear_all(plugin_host *h, plugin_dialogue *d, double seconds, json_t **answers, error *err)
{
    double waited = 0;
    *answers = json_array();
    for (;;) {
        json_t *message;
        plugin_heard heard = plugin_hear(d, slice_seconds, &message, err);
        if (heard == PLUGIN_SAID) {
            waited = 0;
            bool more = json_is_true(json_object_get(message, "more"));
            if (json_array_append_new(*answers, message) != 0)
                return error_set(err, STATUS_MEMORY, "out of memory while hearing %s", h->path);
            if (!more)
                return STATUS_OK;
            if (json_array_size(*answers) == MOST_ANSWERS)
                return error_set(err, STATUS_INVALID, "%s: expected at most %d answers with \"more\"", h->path, MOST_ANSWERS);
        } else if (heard != PLUGIN_SILENT) {
            return err ? err->code : STATUS_IO;
        } else if (atomic_load(&h->interrupted) || (h->options.interrupt && atomic_load(h->options.interrupt))) {
            return error_set(err, STATUS_INTERRUPTED, "interrupted while %s was started", h->path);
        } else if ((waited += slice_seconds) >= seconds) {
            return error_set(err, STATUS_IO, "the plug-in %s said nothing for %g s", h->path, seconds);
        }
    }
}

static status exchange(plugin_host *h, plugin_process *p, json_t *message, double seconds, json_t **answers, error *err)
{
    plugin_dialogue *d;
    *answers = NULL;
    status result = plugin_dialogue_begin(p, &d, err);
    if (result != STATUS_OK) {
        json_decref(message);
        return result;
    }
    result = plugin_say(d, message, err);
    if (result == STATUS_OK)
        result = hear_all(h, d, seconds, answers, err);
    plugin_dialogue_end(d);
    if (result != STATUS_OK) {
        json_decref(*answers);
        *answers = NULL;
    }
    return result;
}

/* What a later process declares is not kept: its file is the same. */
static status greet(plugin_host *h, plugin_process *p, bool first, error *err)
{
    json_t *answers;
    plugin_declaration again;
    TRY(exchange(h, p, json_pack("{s:s, s:i, s:s}", "do", "hello", "protocol", PLUGIN_PROTOCOL, "assay", ASSAY_VERSION),
                 h->options.greeting_seconds > 0 ? h->options.greeting_seconds : greeting_seconds, &answers, err));
    arena *a = first ? h->arena : arena_new(NULL); /* the host's is not for the threads of samples */
    status result = plugin_declaration_read(a, h->path, json_array_get(answers, 0), first ? &h->declaration : &again, err);
    if (!first)
        arena_free(a);
    json_decref(answers);
    return result;
}

static status open_with(plugin_host *h, plugin_process *p, error *err)
{
    json_t *answers;
    if (!h->opening)
        return STATUS_OK;
    TRY(exchange(h, p, json_deep_copy(h->opening), fmax(opening_seconds, h->options.timeout_seconds), &answers, err));
    const char *failed = json_string_value(json_object_get(json_array_get(answers, 0), "fail"));
    status result = failed ? error_set(err, STATUS_INVALID, "the plug-in %s says: %.400s", h->path, failed)
                           : h->check(h->check_context, answers, err);
    json_decref(answers);
    return result;
}

static status check_unchanged(const plugin_host *h, error *err)
{
    unsigned char digest[SHA256_BYTES];
    char hex[SHA256_HEX];
    TRY(sha256_file(h->path, digest, err));
    sha256_hex(digest, hex);
    if (h->started == 0 || strcmp(hex, h->sha256) == 0)
        return STATUS_OK;
    error_set(err, STATUS_INVALID, "%s was edited while it was in use", h->path);
    return error_hint(err, "start the command again: an edited plug-in is another one, and so is its run");
}

/* Under the lock. */
static status start(plugin_host *h, held **out, error *err)
{
    bool first = h->started == 0;
    TRY(check_unchanged(h, err));
    held *one = memory_alloc(sizeof *one);
    if (!one)
        return error_set(err, STATUS_MEMORY, "out of memory while starting %s", h->path);
    *one = (held){0};
    status result = plugin_process_start(h->path, &h->options.listener, &one->process, err);
    h->started++;
    if (result == STATUS_OK)
        result = greet(h, one->process, first, err);
    if (result == STATUS_OK)
        result = open_with(h, one->process, err);
    if (result == STATUS_OK) {
        *out = one;
        return STATUS_OK;
    }
    if (one->process && result != STATUS_INTERRUPTED)
        plugin_process_condemn(one->process, "was refused");
    plugin_process_stop(one->process);
    memory_free(one);
    return result;
}

static bool ends_all(status code)
{
    return code == STATUS_LIMIT || code == STATUS_INTERRUPTED || code == STATUS_MEMORY || code == STATUS_REFUSED;
}

/* ---- holding processes ------------------------------------------------------------------------------------------ */

static void discard(plugin_host *h, held *one)
{
    h->late += plugin_process_late(one->process);
    plugin_process_stop(one->process);
    memory_free(one);
}

/* Under the lock. */
static void retire(plugin_host *h, held **place)
{
    held *one = *place;
    *place = NULL;
    if (!one)
        return;
    one->retired = true;
    if (one->users == 0)
        discard(h, one);
}

static status may_start(plugin_host *h, error *err)
{
    if (h->broken.code == STATUS_OK && h->started >= MOST_STARTS)
        error_set(&h->broken, STATUS_IO, "the plug-in %s was started %d times, and is not started again", h->path, MOST_STARTS);
    if (h->broken.code == STATUS_OK)
        return STATUS_OK;
    if (err)
        *err = h->broken;
    return h->broken.code;
}

/* Under the lock. */
static void count_fruitless(plugin_host *h, const error *why)
{
    if (++h->fruitless < MOST_FRUITLESS || h->broken.code != STATUS_OK)
        return;
    h->broken = *why;
    error_context(&h->broken, "lost %d times in a row, and not started again", MOST_FRUITLESS);
}

static status acquire(plugin_host *h, held **place, held **out, error *err)
{
    pthread_mutex_lock(&h->lock);
    status result = STATUS_OK;
    if (*place && plugin_process_lost((*place)->process))
        retire(h, place);
    if (!*place) {
        result = may_start(h, err);
        if (result == STATUS_OK) {
            result = start(h, place, err);
            if (result != STATUS_OK && !ends_all(result))
                count_fruitless(h, err);
        }
    }
    if (result == STATUS_OK) {
        *out = *place;
        (*out)->users++;
        if (atomic_load(&h->interrupted))
            plugin_process_interrupt((*out)->process, true);
    }
    pthread_mutex_unlock(&h->lock);
    return result;
}

static void release(plugin_host *h, held *one, bool fruitful)
{
    pthread_mutex_lock(&h->lock);
    if (fruitful)
        h->fruitless = 0;
    if (--one->users == 0 && one->retired)
        discard(h, one);
    pthread_mutex_unlock(&h->lock);
}

/* A loss is counted once for each process, by the first who is told of it. */
static void count_loss(plugin_host *h, held **place, const held *one, const error *why)
{
    pthread_mutex_lock(&h->lock);
    if (*place == one) {
        retire(h, place);
        count_fruitless(h, why);
    }
    pthread_mutex_unlock(&h->lock);
}

/* ---- dialogues -------------------------------------------------------------------------------------------------- */

typedef enum ending { ENDED_WELL, ENDED_BADLY, ENDED_LOST } ending;

/* Most answers come at once; who waits for longer tells so first. */
static plugin_heard hear_patiently(plugin_dialogue *d, const plugin_call *call, double seconds, json_t **message, error *err)
{
    plugin_heard heard = plugin_hear(d, fmin(seconds, soon_seconds), message, err);
    if (heard != PLUGIN_SILENT || seconds <= soon_seconds)
        return heard;
    if (call->waiting)
        call->waiting(call->context, true);
    heard = plugin_hear(d, seconds - soon_seconds, message, err);
    if (call->waiting)
        call->waiting(call->context, false);
    return heard;
}

/* Texts of a plug-in in messages of ours: in one line that a terminal bears. */
static void plain(char *to, size_t room, const char *text)
{
    size_t n = 0;
    for (; text[n] && n + 1 < room; n++)
        to[n] = (unsigned char)text[n] < ' ' || text[n] == 127 ? ' ' : text[n];
    while (n > 0 && (text[n] & 0xC0) == 0x80) /* not inside a character */
        n--;
    to[n] = '\0';
}

static status read_answer(const plugin_host *h, const char *want, const json_t *message, error *err)
{
    char words[480];
    const json_t *fail = json_object_get(message, "fail");
    if (json_is_string(fail)) {
        plain(words, sizeof words, json_string_value(fail));
        return error_set(err, STATUS_INVALID, "the plug-in %s says: %s", h->path, words);
    }
    if (json_object_get(message, want))
        return STATUS_OK;
    const char *first = json_object_iter_key(json_object_iter((json_t *)(uintptr_t)message));
    plain(words, sizeof words, first ? first : "nothing");
    return error_set(err, STATUS_INVALID, "the plug-in %s answered with \"%.60s\"; expected \"ask\", \"score\", \"fail\" or \"%s\"", h->path,
                     words, want);
}

/* The plug-in has asked: what it asked for, or why not. */
static status serve_request(const plugin_call *call, plugin_dialogue *d, const json_t *message, error *err)
{
    json_t *reply = NULL;
    error problem = {0};
    status result = call->request ? call->request(call->context, message, &reply, &problem)
                                  : error_set(&problem, STATUS_USAGE, "there is nobody to be asked here");
    if (result != STATUS_OK && ends_all(result)) {
        plugin_say(d, json_pack("{s:s}", "do", "cancel"), NULL);
        if (err)
            *err = problem;
        return result;
    }
    if (result != STATUS_OK)
        reply = json_pack("{s:s, s:s}", "error", problem.message, "code", status_word(result));
    return plugin_say(d, reply, err);
}

static ending fall_silent(const plugin_host *h, plugin_process *p, plugin_dialogue *d, double seconds, error *err)
{
    char words[80];
    snprintf(words, sizeof words, "said nothing for %g s", seconds);
    error_set(err, STATUS_IO, "the plug-in %s %s", h->path, words);
    plugin_say(d, json_pack("{s:s}", "do", "cancel"), NULL);
    if (plugin_process_quiet(p) < seconds)
        return ENDED_BADLY;
    plugin_process_condemn(p, words);
    return ENDED_LOST;
}

static ending converse(plugin_host *h, plugin_process *p, plugin_dialogue *d, const plugin_call *call, json_t **out, error *err)
{
    double seconds = call->seconds > 0 ? call->seconds : h->options.timeout_seconds;
    if (plugin_say(d, json_copy(call->first), err) != STATUS_OK)
        return ENDED_BADLY;
    for (int requests = 0;; requests++) {
        json_t *message;
        plugin_heard heard = hear_patiently(d, call, seconds, &message, err);
        if (heard == PLUGIN_LOST)
            return ENDED_LOST;
        if (heard == PLUGIN_SILENT)
            return fall_silent(h, p, d, seconds, err);
        if (heard != PLUGIN_SAID)
            return ENDED_BADLY;
        if (!json_object_get(message, "ask") && !json_object_get(message, "score")) {
            if (read_answer(h, call->want, message, err) == STATUS_OK) {
                *out = message;
                return ENDED_WELL;
            }
            json_decref(message);
            return ENDED_BADLY;
        }
        status result = requests < MOST_REQUESTS ? serve_request(call, d, message, err)
                                                 : error_set(err, STATUS_INVALID, "the plug-in %s asks without end: %d questions", h->path,
                                                             MOST_REQUESTS);
        json_decref(message);
        if (result != STATUS_OK)
            return ENDED_BADLY;
    }
}

static ending attempt(plugin_host *h, held **place, const plugin_call *call, json_t **out, error *err)
{
    held *one;
    plugin_dialogue *d;
    if (acquire(h, place, &one, err) != STATUS_OK)
        return ENDED_BADLY;
    ending how = plugin_dialogue_begin(one->process, &d, err) == STATUS_OK ? converse(h, one->process, d, call, out, err) : ENDED_BADLY;
    plugin_dialogue_end(d);
    if (how == ENDED_LOST)
        count_loss(h, place, one, err);
    release(h, one, how != ENDED_LOST);
    return how;
}

status plugin_host_talk(plugin_host *h, const plugin_call *call, json_t **out, error *err)
{
    error own = {0};
    error *problem = err ? err : &own;
    *out = NULL;
    ending how = attempt(h, &h->main, call, out, problem);
    if (how == ENDED_LOST) {
        if (call->again)
            call->again(call->context);
        if (call->waiting)
            call->waiting(call->context, true);
        pthread_mutex_lock(&h->quarantine);
        if (call->waiting)
            call->waiting(call->context, false);
        how = attempt(h, &h->alone, call, out, problem);
        pthread_mutex_unlock(&h->quarantine);
    }
    return how == ENDED_WELL ? STATUS_OK : problem->code;
}

void plugin_host_interrupt(plugin_host *h, bool on)
{
    atomic_store(&h->interrupted, on);
    pthread_mutex_lock(&h->lock);
    held *both[] = {h->main, h->alone};
    for (size_t i = 0; i < COUNT_OF(both); i++)
        if (both[i])
            plugin_process_interrupt(both[i]->process, on);
    pthread_mutex_unlock(&h->lock);
}

/* ---- life ------------------------------------------------------------------------------------------------------- */

static void close_host(void *context)
{
    plugin_host *h = context;
    pthread_mutex_lock(&h->lock);
    retire(h, &h->main);
    retire(h, &h->alone);
    pthread_mutex_unlock(&h->lock);
    json_decref(h->opening);
    pthread_mutex_destroy(&h->lock);
    pthread_mutex_destroy(&h->quarantine);
}

static void set_options(plugin_host *h, const plugin_host_options *options)
{
    h->options = options ? *options : (plugin_host_options){0};
    if (!(h->options.timeout_seconds > 0))
        h->options.timeout_seconds = usual_timeout;
}

void plugin_host_set(plugin_host *h, const plugin_host_options *options)
{
    pthread_mutex_lock(&h->lock);
    set_options(h, options);
    held *both[] = {h->main, h->alone};
    for (size_t i = 0; i < COUNT_OF(both); i++)
        if (both[i])
            plugin_process_listen(both[i]->process, &h->options.listener);
    pthread_mutex_unlock(&h->lock);
}

status plugin_host_open(arena *a, const char *path, const plugin_host_options *options, plugin_host **out, error *err)
{
    plugin_host *h = ARENA_NEW(a, plugin_host);
    *out = NULL;
    if (strncmp(path, "plugin:", 7) == 0)
        path += 7;
    if (!h || !(h->path = arena_strdup(a, path)))
        return error_set(err, STATUS_MEMORY, "out of memory while starting the plug-in %s", path);
    h->arena = a;
    set_options(h, options);
    pthread_mutex_init(&h->lock, NULL);
    pthread_mutex_init(&h->quarantine, NULL);
    if (!arena_on_free(a, close_host, h))
        return error_set(err, STATUS_MEMORY, "out of memory while starting the plug-in %s", path);
    unsigned char digest[SHA256_BYTES];
    TRY(spawn_check(h->path, err));
    TRY(sha256_file(h->path, digest, err));
    sha256_hex(digest, h->sha256);
    pthread_mutex_lock(&h->lock);
    status result = start(h, &h->main, err);
    pthread_mutex_unlock(&h->lock);
    *out = result == STATUS_OK ? h : NULL;
    return result;
}

const plugin_declaration *plugin_host_declaration(const plugin_host *h)
{
    return &h->declaration;
}

const char *plugin_host_path(const plugin_host *h)
{
    return h->path;
}

const char *plugin_host_sha256(const plugin_host *h)
{
    return h->sha256;
}

status plugin_host_require(const plugin_host *h, plugin_kind kind, const char *where, error *err)
{
    if (h->declaration.kind == kind)
        return STATUS_OK;
    return error_set(err, STATUS_USAGE, "%s: %s is a %s, and this needs a %s", where, h->path, plugin_kind_name(h->declaration.kind),
                     plugin_kind_name(kind));
}

status plugin_host_prepare(plugin_host *h, json_t *opening, plugin_check *check, void *context, error *err)
{
    if (!opening)
        return error_set(err, STATUS_MEMORY, "out of memory while preparing %s", h->path);
    pthread_mutex_lock(&h->lock);
    json_decref(h->opening);
    h->opening = opening;
    h->check = check;
    h->check_context = context;
    retire(h, &h->alone);
    if (h->main && plugin_process_lost(h->main->process))
        retire(h, &h->main);
    status result = h->main ? open_with(h, h->main->process, err) : start(h, &h->main, err);
    pthread_mutex_unlock(&h->lock);
    return result;
}

void plugin_host_counts(plugin_host *h, uint64_t *started, uint64_t *late)
{
    pthread_mutex_lock(&h->lock);
    held *both[] = {h->main, h->alone};
    *started = h->started;
    *late = h->late;
    for (size_t i = 0; i < COUNT_OF(both); i++)
        *late += both[i] ? plugin_process_late(both[i]->process) : 0;
    pthread_mutex_unlock(&h->lock);
}
