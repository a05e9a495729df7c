/* Replays input vectors from the host and writes back every state and output: what `edgelstm verify` compares. */
#ifndef EDGELSTM_REPLAY_H
#define EDGELSTM_REPLAY_H

#include "classifier_3_5_4.h"

/* Run the vectors of the arguments "in=FILE out=FILE". Returns 0, also where there are no such arguments, else an
 * exit code of 2 or more. */
int replay(classifier_3_5_4_t *network);

#endif
