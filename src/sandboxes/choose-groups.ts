import type { ControlGroups } from './control-groups.ts'
import { groupsV1 } from './control-groups-v1.ts'
import { groupsV2 } from './control-groups-v2.ts'
import { systemdScopes } from './systemd-scopes.ts'

/** The control groups of this machine, the best way to them that works; undefined where none does. */
export const chooseGroups = async (): Promise<ControlGroups | undefined> =>
  groupsV2() ?? (process.getuid?.() === 0 ? undefined : await systemdScopes()) ?? groupsV1()
