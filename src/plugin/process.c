#include "plugin/process_inside.h"

#include "core/progress.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    READ_BYTES = 64 << 10,
    LOOK_MILLISECONDS = 100, /* how often the process is looked at, whatever its pipes do: its children may hold them */
    MOST_NOTED = 200,        /* lines of standard error that are passed on */
};
static const double grace_seconds = 2;

/* ---- why it is lost --------------------------------------------------------------------------------------------- */

/* The last line of standard error that says something: a traceback ends in its reason. */
static slice last_words(const plugin_process *p)
{
    slice rest = {p->tail, p->tail_length}, line, last = {NULL, 0};
    while (slice_cut(&rest, '\n', &line))
        if (slice_trim(line).length > 0)
            last = slice_trim(line);
    return slice_sub(last, last.length > 300 ? last.length - 300 : 0, last.length);
}

static void wake_all(plugin_process *p)
{
    for (size_t i = 0; i < p->used; i++)
        pthread_cond_broadcast(&p->slots[i]->changed);
}

void plugin_process_wake(const plugin_process *p)
{
    ssize_t written = write(p->wake[1], "", 1); /* a full pipe wakes as well */
    (void)written;
}

static void lose(plugin_process *p, const char *words)
{
    pthread_mutex_lock(&p->lock);
    if (!p->lost) {
        slice last = last_words(p);
        p->lost = true;
        snprintf(p->words, sizeof p->words, "the plug-in %s %s%s" SLICE_FORMAT, p->path, words,
                 last.length ? "; its last words: " : "", SLICE_ARGS(last));
        wake_all(p);
    }
    pthread_mutex_unlock(&p->lock);
}

static void lose_by_end(plugin_process *p, const siginfo_t *how)
{
    char words[160];
    if (how->si_code == CLD_EXITED)
        snprintf(words, sizeof words, how->si_status ? "ended with exit code %d" : "ended", how->si_status);
    else
        snprintf(words, sizeof words, "was ended by signal %d (%s)", how->si_status, strsignal(how->si_status));
    size_t rest = lines_rest(&p->reader);
    if (rest > 0)
        snprintf(words + strlen(words), sizeof words - strlen(words), " in the middle of a line, after %zu bytes of it", rest);
    lose(p, words);
}

/* ---- its thread ------------------------------------------------------------------------------------------------- */

/* Under the lock. False when it can be nobody's. */
static bool deliver(plugin_process *p, uint64_t id, json_t *message, char *words, size_t room)
{
    plugin_dialogue *d = id % PLUGIN_MOST_DIALOGUES < p->used ? p->slots[id % PLUGIN_MOST_DIALOGUES] : NULL;
    p->heard = clock_seconds();
    if (!d || id > d->id) {
        snprintf(words, room, "said something with the id %llu, which nobody gave it", (unsigned long long)id);
        return false;
    }
    if (id < d->id || !d->open) {
        p->late++;
        json_decref(message);
        return true;
    }
    if (d->count == PLUGIN_MOST_UNREAD) {
        snprintf(words, room, "said more than %d things without waiting for an answer", PLUGIN_MOST_UNREAD);
        return false;
    }
    d->unread[(d->first + d->count++) % PLUGIN_MOST_UNREAD] = message;
    pthread_cond_signal(&d->changed);
    return true;
}

/* Hands on all messages that are complete; false when it said rubbish. */
static bool take_messages(plugin_process *p)
{
    char words[320];
    uint64_t id;
    json_t *message;
    lines_found found;
    while ((found = lines_next(&p->reader, &id, &message, words, sizeof words)) == LINES_MESSAGE) {
        pthread_mutex_lock(&p->lock);
        bool good = p->lost || deliver(p, id, message, words, sizeof words);
        if (p->lost || !good)
            json_decref(message);
        pthread_mutex_unlock(&p->lock);
        if (!good) {
            lose(p, words);
            return false;
        }
    }
    if (found == LINES_RUBBISH)
        lose(p, words);
    return found == LINES_NOTHING;
}

typedef enum got { GOT_SOME, GOT_NOTHING, GOT_END } got;

static got read_some(int from, char *bytes, size_t room, size_t *count)
{
    ssize_t n = read(from, bytes, room);
    *count = n > 0 ? (size_t)n : 0;
    if (n > 0)
        return GOT_SOME;
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? GOT_NOTHING : GOT_END;
}

/* Reads what is there, at most 16 times; false when the process is done for. */
static bool read_out(plugin_process *p, char *bytes, bool *ended)
{
    for (int i = 0; i < 16; i++) {
        size_t count;
        got g = read_some(p->program.out, bytes, READ_BYTES, &count);
        *ended = g == GOT_END;
        if (g != GOT_SOME)
            return true;
        lines_feed(&p->reader, bytes, count);
        if (!take_messages(p))
            return false;
    }
    return true;
}

static void note_byte(plugin_process *p, char c)
{
    if (c != '\n' && p->note_length < MOST_NOTE)
        p->note[p->note_length++] = c >= ' ' && c != 127 ? c : c == '\t' ? ' ' : (c & 0x80) ? c : '?';
    if (c != '\n')
        return;
    p->note[p->note_length] = '\0';
    if (p->note_length > 0 && p->noted++ < MOST_NOTED)
        p->listener.note(p->listener.context, p->noted == MOST_NOTED ? "(what it says beyond this is not shown)" : p->note);
    p->note_length = 0;
}

/* Keeps the tail and passes lines on; once enough was passed on, only the tail is kept. */
static bool read_err(plugin_process *p, char *bytes)
{
    size_t count;
    got g = read_some(p->program.err, bytes, READ_BYTES, &count);
    pthread_mutex_lock(&p->listening);
    for (size_t i = 0; i < count && p->listener.note && p->noted < MOST_NOTED; i++)
        note_byte(p, bytes[i]);
    pthread_mutex_unlock(&p->listening);
    size_t kept = count < TAIL_BYTES ? count : TAIL_BYTES, old = p->tail_length;
    pthread_mutex_lock(&p->lock);
    if (old + kept > TAIL_BYTES) {
        memmove(p->tail, p->tail + (old + kept - TAIL_BYTES), TAIL_BYTES - kept);
        old = TAIL_BYTES - kept;
    }
    memcpy(p->tail + old, bytes + count - kept, kept);
    p->tail_length = old + kept;
    pthread_mutex_unlock(&p->lock);
    return g != GOT_END;
}

/* Writes what the pipe takes. A process that no longer listens may still talk, and its end tells more. */
static bool write_out(plugin_process *p)
{
    pthread_mutex_lock(&p->lock);
    ssize_t n = write(p->program.in, p->outgoing.text + p->sent, p->outgoing.length - p->sent);
    bool good = n >= 0 || errno == EAGAIN || errno == EINTR;
    p->sent += n > 0 ? (size_t)n : 0;
    if (p->sent == p->outgoing.length || !good) {
        strbuf_clear(&p->outgoing);
        p->sent = 0;
    } else if (p->sent > (1 << 20)) {
        memmove(p->outgoing.text, p->outgoing.text + p->sent, p->outgoing.length - p->sent);
        p->outgoing.length -= p->sent;
        p->sent = 0;
    }
    pthread_mutex_unlock(&p->lock);
    return good;
}

static bool has_ended(const plugin_process *p, siginfo_t *how)
{
    *how = (siginfo_t){0};
    return waitid(P_PID, (id_t)p->program.pid, how, WEXITED | WNOHANG | WNOWAIT) != 0 || how->si_pid != 0;
}

static void close_end(int *end)
{
    if (*end >= 0)
        close(*end);
    *end = -1;
}

/* What the thread sees of the rest of the program. */
typedef struct orders {
    bool closing, lost, pending;
} orders;

static orders look(plugin_process *p)
{
    pthread_mutex_lock(&p->lock);
    orders o = {p->closing, p->lost, p->outgoing.length > 0};
    pthread_mutex_unlock(&p->lock);
    return o;
}

/* Waits until there is something to do. */
static void wait_for_work(const plugin_process *p, const orders *o, struct pollfd *fds)
{
    fds[0] = (struct pollfd){.fd = p->program.out, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = p->program.err, .events = POLLIN};
    fds[2] = (struct pollfd){.fd = o->pending ? p->program.in : -1, .events = POLLOUT};
    fds[3] = (struct pollfd){.fd = p->wake[0], .events = POLLIN};
    poll(fds, 4, LOOK_MILLISECONDS);
    char bytes[256];
    while (fds[3].revents && read(p->wake[0], bytes, sizeof bytes) == (ssize_t)sizeof bytes)
        continue;
}

/* What stands in the pipes of a process that is gone still counts; children that hold the pipes open do not. */
static void drain(plugin_process *p, char *bytes)
{
    bool ended = false;
    kill(-p->program.pid, SIGKILL);
    for (int i = 0; i < 64 && p->program.err >= 0; i++) {
        struct pollfd left = {.fd = p->program.err, .events = POLLIN};
        if (poll(&left, 1, 0) <= 0 || !read_err(p, bytes))
            break;
    }
    for (int i = 0; i < 64 && !ended && p->program.out >= 0; i++) {
        struct pollfd left = {.fd = p->program.out, .events = POLLIN};
        if (poll(&left, 1, 0) <= 0 || !read_out(p, bytes, &ended))
            break;
    }
}

/* Reads and writes until the process is gone or must go. */
static void converse(plugin_process *p, char *bytes)
{
    double ending = 0;
    siginfo_t how;
    for (;;) {
        orders o = look(p);
        if (o.closing && ending == 0) {
            close_end(&p->program.in);
            ending = clock_seconds() + grace_seconds;
        }
        if (o.lost || (ending > 0 && clock_seconds() > ending))
            return;
        struct pollfd fds[4];
        wait_for_work(p, &o, fds);
        bool ended = false;
        if (fds[2].revents && !write_out(p))
            close_end(&p->program.in);
        if (fds[1].revents && !read_err(p, bytes))
            close_end(&p->program.err);
        if (fds[0].revents && !read_out(p, bytes, &ended))
            return;
        if (has_ended(p, &how)) {
            drain(p, bytes);
            lose_by_end(p, &how);
            return;
        }
        if (ended && !o.closing) { /* most often it is about to end, and how it ends says more */
            usleep(50000);
            if (!has_ended(p, &how))
                lose(p, "closed its output");
            close_end(&p->program.out);
        } else if (ended) {
            close_end(&p->program.out);
        }
    }
}

/* Ends whatever is left of its process group before its number can belong to anybody else. */
static void reap(plugin_process *p)
{
    siginfo_t how;
    kill(-p->program.pid, SIGKILL);
    kill(p->program.pid, SIGKILL); /* it may have gone into another group */
    while (waitid(P_PID, (id_t)p->program.pid, &how, WEXITED | WNOWAIT) != 0 && errno == EINTR)
        continue;
    kill(-p->program.pid, SIGKILL);
    while (waitid(P_PID, (id_t)p->program.pid, &how, WEXITED) != 0 && errno == EINTR)
        continue;
}

static void *serve(void *context)
{
    plugin_process *p = context;
    sigset_t pipe_signal;
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, NULL);
    char *bytes = memory_alloc(READ_BYTES);
    if (bytes)
        converse(p, bytes);
    else
        lose(p, "could not be heard: out of memory");
    close_end(&p->program.in);
    reap(p);
    lose(p, "was closed");
    memory_free(bytes);
    return NULL;
}

/* ---- life ------------------------------------------------------------------------------------------------------- */

static void free_process(plugin_process *p)
{
    for (size_t i = 0; i < p->used; i++) {
        plugin_dialogue *d = p->slots[i];
        for (; d->count > 0; d->count--)
            json_decref(d->unread[d->first++ % PLUGIN_MOST_UNREAD]);
        pthread_cond_destroy(&d->changed);
        memory_free(d);
    }
    close_end(&p->program.in);
    close_end(&p->program.out);
    close_end(&p->program.err);
    close_end(&p->wake[0]);
    close_end(&p->wake[1]);
    lines_close(&p->reader);
    strbuf_free(&p->outgoing);
    pthread_mutex_destroy(&p->lock);
    pthread_mutex_destroy(&p->listening);
    free(p->path);
    memory_free(p);
}

status plugin_process_start(const char *path, const plugin_listener *listener, plugin_process **out, error *err)
{
    *out = NULL;
    json_object_seed(0); /* before threads meet in it */
    plugin_process *p = memory_alloc(sizeof *p);
    if (!p)
        return error_set(err, STATUS_MEMORY, "out of memory while starting the plug-in %s", path);
    *p = (plugin_process){.path = strdup(path), .program = {.in = -1, .out = -1, .err = -1}, .wake = {-1, -1},
                          .outgoing = strbuf_new(NULL, MOST_OUTGOING), .heard = clock_seconds()};
    if (listener)
        p->listener = *listener;
    pthread_mutex_init(&p->lock, NULL);
    pthread_mutex_init(&p->listening, NULL);
    lines_open(&p->reader);
    status result = p->path ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory while starting the plug-in %s", path);
    if (result == STATUS_OK && pipe2(p->wake, O_CLOEXEC | O_NONBLOCK) != 0)
        result = error_system(err, "cannot make a pipe");
    if (result == STATUS_OK)
        result = spawn_program(path, &p->program, err);
    if (result == STATUS_OK) {
        int failed = pthread_create(&p->thread, NULL, serve, p);
        if (failed) {
            reap(p);
            errno = failed;
            result = error_system(err, "cannot start a thread for the plug-in %s", path);
        }
    }
    if (result != STATUS_OK)
        free_process(p);
    else
        *out = p;
    return result;
}

void plugin_process_listen(plugin_process *p, const plugin_listener *listener)
{
    pthread_mutex_lock(&p->listening);
    p->listener = listener ? *listener : (plugin_listener){0};
    pthread_mutex_unlock(&p->listening);
}

void plugin_process_stop(plugin_process *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->closing = true;
    pthread_mutex_unlock(&p->lock);
    plugin_process_wake(p);
    pthread_join(p->thread, NULL);
    free_process(p);
}

void plugin_process_condemn(plugin_process *p, const char *words)
{
    lose(p, words);
    plugin_process_wake(p);
}

bool plugin_process_lost(plugin_process *p)
{
    pthread_mutex_lock(&p->lock);
    bool lost = p->lost;
    pthread_mutex_unlock(&p->lock);
    return lost;
}

double plugin_process_quiet(plugin_process *p)
{
    pthread_mutex_lock(&p->lock);
    double heard = p->heard;
    pthread_mutex_unlock(&p->lock);
    return clock_seconds() - heard;
}

uint64_t plugin_process_late(plugin_process *p)
{
    pthread_mutex_lock(&p->lock);
    uint64_t late = p->late;
    pthread_mutex_unlock(&p->lock);
    return late;
}

void plugin_process_interrupt(plugin_process *p, bool on)
{
    pthread_mutex_lock(&p->lock);
    p->interrupted = on;
    if (on)
        wake_all(p);
    pthread_mutex_unlock(&p->lock);
}
