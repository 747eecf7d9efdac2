/* judge_nvml: clocks and throttle reasons of a device, for the log, through libnvidia-ml loaded at run time. Reads only. */
#ifndef ATTUNE_JUDGE_NVML_H
#define ATTUNE_JUDGE_NVML_H
#include <jansson.h>

struct nvml;

/* NULL when there is no library, or no such device in it: then nothing is logged. */
struct nvml *nvml_open(const char *bus_id);
void nvml_close(struct nvml *n);
/* MHz of the multiprocessors now, 0 when unknown. NULL is allowed. */
int nvml_clock_mhz(const struct nvml *n);
/* {"sm_mhz","mem_mhz","throttle":"0x0","power_w","temperature_c","processes"}, what is known of it. */
json_t *nvml_state(const struct nvml *n);

#endif
