import type { ControlGroups } from './control-groups.ts'
import { groupsV1 } from './split-control-groups.ts'
import { systemdScopes } from './systemd-scopes.ts'
import { groupsV2 } from './unified-control-groups.ts'

/** The control groups of this machine, the best way to them that works; undefined where none does. */
export const chooseGroups = async (): Promise<ControlGroups | undefined> =>
  groupsV2() ?? (process.getuid?.() === 0 ? undefined : await systemdScopes()) ?? groupsV1()
