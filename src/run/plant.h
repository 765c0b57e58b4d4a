/* plant.h - what is known to be planted in a subject, by its specification. */
#ifndef ASSAY_RUN_PLANT_H
#define ASSAY_RUN_PLANT_H

#include <jansson.h>

/* {"failure", "forms", "dose", "dose_type"}: of "oracle:DOSE", of a folder with an organism's growth.json, of a router
 * between two such (the shares of both together); "rated": true where raters had a part in the model after it; null when nothing is known. The caller owns it. Runs keep it when
 * they begin, so that a report does not depend on what lies in the folder later. */
json_t *run_plant_of(const char *specification);

#endif
