/* judge_nvml: the few functions that are used are declared here by what NVIDIA documents, so that no header is needed. A
 * figure that cannot be read is left out. */

#include "judge_nvml.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

enum { NVML_CLOCK_SM = 1, NVML_CLOCK_MEM = 2, NVML_TEMPERATURE_GPU = 0, NVML_TOO_SMALL = 7 };

typedef void *nvml_device;
typedef int nvml_init_fn(void);
typedef int nvml_by_bus_fn(const char *bus_id, nvml_device *device);
typedef int nvml_clock_fn(nvml_device device, int which, unsigned *mhz);
typedef int nvml_number_fn(nvml_device device, unsigned *number);
typedef int nvml_temperature_fn(nvml_device device, int which, unsigned *celsius);
typedef int nvml_reasons_fn(nvml_device device, unsigned long long *reasons);
typedef int nvml_processes_fn(nvml_device device, unsigned *count, void *infos);

struct nvml {
	void *lib;
	nvml_device device;
	nvml_clock_fn *clock;
	nvml_number_fn *power;
	nvml_temperature_fn *temperature;
	nvml_reasons_fn *reasons;
	nvml_processes_fn *processes;
};

struct nvml *nvml_open(const char *bus_id)
{
	struct nvml *n = calloc(1, sizeof *n);
	nvml_init_fn *init = NULL;
	nvml_by_bus_fn *by_bus = NULL;

	if (!n)
		abort();
	n->lib = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
	if (n->lib) {
		*(void **)&init = dlsym(n->lib, "nvmlInit_v2");
		*(void **)&by_bus = dlsym(n->lib, "nvmlDeviceGetHandleByPciBusId_v2");
		*(void **)&n->clock = dlsym(n->lib, "nvmlDeviceGetClockInfo");
		*(void **)&n->power = dlsym(n->lib, "nvmlDeviceGetPowerUsage");
		*(void **)&n->temperature = dlsym(n->lib, "nvmlDeviceGetTemperature");
		*(void **)&n->reasons = dlsym(n->lib, "nvmlDeviceGetCurrentClocksThrottleReasons");
		if (!n->reasons) /* its name since the driver 535 */
			*(void **)&n->reasons = dlsym(n->lib, "nvmlDeviceGetCurrentClocksEventReasons");
		*(void **)&n->processes = dlsym(n->lib, "nvmlDeviceGetComputeRunningProcesses_v3");
		if (!n->processes) /* the count has the same meaning in all of its versions */
			*(void **)&n->processes = dlsym(n->lib, "nvmlDeviceGetComputeRunningProcesses");
	}
	if (!init || !by_bus || init() != 0 || by_bus(bus_id, &n->device) != 0) {
		nvml_close(n);
		return NULL;
	}
	return n;
}

void nvml_close(struct nvml *n)
{
	if (!n)
		return;
	if (n->lib)
		dlclose(n->lib);
	free(n);
}

int nvml_clock_mhz(const struct nvml *n)
{
	unsigned mhz = 0;

	return n && n->clock && n->clock(n->device, NVML_CLOCK_SM, &mhz) == 0 ? (int)mhz : 0;
}

json_t *nvml_state(const struct nvml *n)
{
	json_t *state = json_object();
	unsigned long long reasons;
	unsigned v;
	char hex[24];
	int rc;

	if (!n)
		return state;
	if (nvml_clock_mhz(n) > 0)
		json_object_set_new(state, "sm_mhz", json_integer(nvml_clock_mhz(n)));
	if (n->clock && n->clock(n->device, NVML_CLOCK_MEM, &v) == 0)
		json_object_set_new(state, "mem_mhz", json_integer(v));
	if (n->power && n->power(n->device, &v) == 0)
		json_object_set_new(state, "power_w", json_integer(v / 1000));
	if (n->temperature && n->temperature(n->device, NVML_TEMPERATURE_GPU, &v) == 0)
		json_object_set_new(state, "temperature_c", json_integer(v));
	if (n->reasons && n->reasons(n->device, &reasons) == 0) {
		snprintf(hex, sizeof hex, "0x%llx", reasons);
		json_object_set_new(state, "throttle", json_string(hex));
	}
	/* Asked with no room for details, it tells the number of processes: 0 with success, more with "too small". Any other
	 * answer (a virtual GPU, a container that may not see) says nothing. */
	v = 0;
	rc = n->processes ? n->processes(n->device, &v, NULL) : -1;
	if (rc == 0 || rc == NVML_TOO_SMALL)
		json_object_set_new(state, "processes", json_integer(v));
	return state;
}
