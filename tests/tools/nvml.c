/* A stand-in for libnvidia-ml.so.1: made-up clocks of a device that is too hot and used by somebody else as well. */
int nvmlInit_v2(void);
int nvmlDeviceGetHandleByPciBusId_v2(const char *bus_id, void **device);
int nvmlDeviceGetClockInfo(void *device, int which, unsigned *mhz);
int nvmlDeviceGetPowerUsage(void *device, unsigned *mw);
int nvmlDeviceGetTemperature(void *device, int which, unsigned *celsius);
int nvmlDeviceGetCurrentClocksThrottleReasons(void *device, unsigned long long *reasons);
int nvmlDeviceGetComputeRunningProcesses_v3(void *device, unsigned *count, void *infos);

int nvmlInit_v2(void)
{
	return 0;
}

int nvmlDeviceGetHandleByPciBusId_v2(const char *bus_id, void **device)
{
	static int one;

	*device = &one;
	return bus_id ? 0 : 2;
}

int nvmlDeviceGetClockInfo(void *device, int which, unsigned *mhz)
{
	*mhz = which == 1 ? 1234 : 2345;
	return device ? 0 : 2;
}

int nvmlDeviceGetPowerUsage(void *device, unsigned *mw)
{
	*mw = 321000;
	return device ? 0 : 2;
}

int nvmlDeviceGetTemperature(void *device, int which, unsigned *celsius)
{
	*celsius = 87;
	return device && which == 0 ? 0 : 2;
}

int nvmlDeviceGetCurrentClocksThrottleReasons(void *device, unsigned long long *reasons)
{
	*reasons = 0x21; /* idle, and the software's limit of the temperature */
	return device ? 0 : 2;
}

int nvmlDeviceGetComputeRunningProcesses_v3(void *device, unsigned *count, void *infos)
{
	const unsigned room = *count;

	*count = 3;
	return device && (infos || room == 0) ? 7 : 2;
}
