/* transcripts.h - pairs of dialogues that people have compared, in the format of hh-rlhf.
 *
 * A file has one JSON object a line (gzip or plain) with the texts "chosen" and "rejected": whole transcripts, in which each
 * turn begins with "\n\nHuman:" or "\n\nAssistant:" (Bai et al., arXiv 2204.05862; the data set Anthropic/hh-rlhf). Both
 * end with a turn of the assistant, the reply that was compared; what stands before it is the prompt. Other keys are
 * passed over.
 *
 *     transcript_list list;
 *     TRY(transcripts_read(arena, "harmless-base/test.jsonl.gz", 1000, &list, err));
 *     list.pairs[0].prompt.turns[0].text                       // what the human said first
 *
 * In some pairs of the published files the two transcripts do not share all turns but the last: those, and pairs whose
 * replies are the same or empty, cannot be trained on and are counted in `skipped`. What breaks the format is an error that
 * names file, line and what was expected.
 */
#ifndef ASSAY_TRAIN_TRANSCRIPTS_H
#define ASSAY_TRAIN_TRANSCRIPTS_H

#include "core/arena.h"
#include "core/error.h"
#include "core/text.h"
#include "world/documents.h"

typedef struct transcript {
    document_turn *turns; /* of ROLE_USER and ROLE_ASSISTANT */
    size_t count;
} transcript;

/* Cuts a transcript into turns; `name` and `line` stand in messages. STATUS_INVALID. */
status transcript_parse(arena *a, slice text, const char *name, size_t line, transcript *out, error *err);

typedef struct transcript_pair {
    transcript prompt;       /* ends with the human's turn */
    const char *chosen, *rejected;
} transcript_pair;

typedef struct transcript_list {
    transcript_pair *pairs;
    size_t count, skipped;
} transcript_list;

/* The first `most` pairs of the file that can be used (0: all). STATUS_INVALID also when there is none. */
status transcripts_read(arena *a, const char *path, size_t most, transcript_list *out, error *err);
/* The same from the text of a file. */
status transcripts_parse(arena *a, slice text, const char *name, size_t most, transcript_list *out, error *err);

#endif
