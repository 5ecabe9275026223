import { join } from 'node:path'
import type { Logger } from '../../lib/log.ts'
import type { Settings } from '../../lib/settings/config.ts'
import { sandboxKinds } from '../../model/runbooks/sandbox.ts'
import { thisSystem } from '../../sandbox/agents/agent-program.ts'
import { type AgentStore, makeAgentStore } from '../../sandbox/agents/agent-store.ts'
import { prepareDataFolder } from '../../store/database/data-folder.ts'

/** Containers run Linux on every machine. */
const systemOf = ({ sandbox }: Settings) =>
  sandboxKinds[sandbox].runsImages ? { os: 'linux', cpu: thisSystem.cpu } : thisSystem

/** Opens the folder in which the coding agents of this machine are installed. */
export const openAgentStore = (settings: Settings, dataDir: string, log: Logger): AgentStore =>
  makeAgentStore({ folder: settings.agentsDir ?? join(dataDir, 'agents'), system: systemOf(settings), log })

/** Opens the coding agents that are installed on this machine, for a command that needs no other part of a server. */
export const openLocalAgentStore = (settings: Settings, log: Logger): AgentStore =>
  openAgentStore(settings, prepareDataFolder(settings.dataDir), log)
