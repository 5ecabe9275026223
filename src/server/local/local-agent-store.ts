import type { Logger } from '../../lib/log.ts'
import type { Settings } from '../../lib/settings/config.ts'
import type { AgentStore } from '../../sandbox/agents/agent-store.ts'
import { prepareDataFolder } from '../../store/database/data-folder.ts'
import { openAgentStore } from '../agent-store.ts'

/** Opens the coding agents that are installed on this machine, for a command that needs no other part of a server. */
export const openLocalAgentStore = (settings: Settings, log: Logger): AgentStore =>
  openAgentStore(settings, prepareDataFolder(settings.dataDir), log)
