/* script_profile: adds what a profiler measured to a trial that the policy has been told. From then on the trial's table has
 * a member `profile`; nothing else changes, and observe() is not called again. */
#include "script_policy.h"

struct call {
	struct script *s;
	const json_t *profile;
	lua_Integer at;
};

static int body_profile(lua_State *L)
{
	const struct call *c = lua_touserdata(L, 1);

	lua_rawgeti(L, LUA_REGISTRYINDEX, c->s->policy->ref_told);
	lua_rawgeti(L, -1, c->at);
	if (!lua_istable(L, -1))
		return 0;
	/* Raw: a policy may have given its trials a metatable. */
	lua_pushliteral(L, "profile");
	script_push_json(L, c->profile);
	lua_rawset(L, -3);
	return 0;
}

int script_policy_profile(struct script *s, const json_t *candidate, const json_t *profile, struct err *e)
{
	struct script_policy *p = s->policy;
	struct call c = { .s = s, .profile = profile };
	struct space_config config;
	int32_t at;

	if (space_from_json(p->space, candidate, &config, e))
		return err_where(e, "a profile that the policy is told of");
	at = space_map_get(&p->index, space_key(p->space, &config));
	if (at < 0 || !p->proposals[at].told)
		return err_set(e, "a profile of a trial that the policy was not told of");
	c.at = (lua_Integer)at + 1;
	return script_protect(s, body_profile, &c, e);
}
