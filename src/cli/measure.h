/* How fast this machine is, as --measure says: for plan and profile. */
#ifndef SPRITTY_CLI_MEASURE_H
#define SPRITTY_CLI_MEASURE_H

#include "cli/options.h"
#include "sdxl/pipeline.h"

/* Is --measure one of its words? For before anything else is done. */
int cli_measure_check(const struct cli *, struct err *);
/* The rates of the device that options name: kept from before, or measured now, which is said. 0; 1
 * when they are not known and not to be measured; -1 with err. go_on: as pipeline_rates asks it. */
int cli_measure(const struct cli *, const struct pipeline_options *, struct rates *,
                bool (*go_on)(void *), struct err *);

#endif
