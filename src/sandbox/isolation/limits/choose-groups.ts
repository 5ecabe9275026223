import type { ControlGroups } from './control-groups.ts'
import { groupsV1 } from './split-control-groups.ts'
import { systemdScopes } from './systemd-scopes.ts'
import { groupsV2 } from './unified-control-groups.ts'

/** Finds the best working control group interface of this host; undefined when none works. */
export const chooseGroups = async (): Promise<ControlGroups | undefined> =>
  groupsV2() ?? (process.getuid?.() === 0 ? undefined : await systemdScopes()) ?? groupsV1()
