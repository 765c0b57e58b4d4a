/* digits_network.h - the convolutional network of mnist.c, which bench/conv.c times: two convolutions with a pool behind each, and two
 * dense layers. */
#ifndef ASSAY_EXAMPLES_DIGITS_NETWORK_H
#define ASSAY_EXAMPLES_DIGITS_NETWORK_H

#include "digits.h"
#include "fit.h"

enum { DIGITS_LAYERS = 8 };
extern const fit_weight digits_layers[DIGITS_LAYERS];
/* Images [N, 28, 28, 1] to the logits of their classes [N, 10]; w in the order of digits_layers. */
node *digits_network(node *const *w, node *x);

#endif
