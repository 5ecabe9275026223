/** The coding agents of this machine, where the settings have them. */
import { join } from 'node:path'
import { thisSystem } from './agents/agent-program.ts'
import { type AgentStore, makeAgentStore } from './agents/agent-store.ts'
import { prepareDataFolder } from './database/data-folder.ts'
import type { Logger } from './lib/log.ts'
import type { Settings } from './lib/settings/config.ts'

/** Containers run Linux, whatever this machine runs. */
const systemOf = ({ sandbox }: Settings) =>
  sandbox === 'docker' || sandbox === 'podman' ? { os: 'linux', cpu: thisSystem.cpu } : thisSystem

export const agentsHere = (settings: Settings, dataDir: string, log: Logger): AgentStore =>
  makeAgentStore({ folder: settings.agentsDir ?? join(dataDir, 'agents'), system: systemOf(settings), log })

/** For whoever needs nothing of this machine but its agents. */
export const openAgentsHere = (settings: Settings, log: Logger): AgentStore =>
  agentsHere(settings, prepareDataFolder(settings.dataDir), log)
