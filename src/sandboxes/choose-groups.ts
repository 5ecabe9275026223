import { type ControlGroups, groupsV1 } from './control-groups.ts'

/** The control groups of this machine, the newest interface that can be used; undefined where none can. */
export const chooseGroups = async (): Promise<ControlGroups | undefined> => groupsV1()
