import { join } from 'node:path'
import type { Logger } from '../lib/log.ts'
import type { Settings } from '../lib/settings/config.ts'
import { sandboxKinds } from '../model/runbooks/sandbox.ts'
import { thisSystem } from '../sandbox/agents/agent-program.ts'
import { type AgentStore, makeAgentStore } from '../sandbox/agents/agent-store.ts'

/** Containers run Linux on every machine. */
const systemOf = ({ sandbox }: Settings) =>
  sandboxKinds[sandbox].runsImages ? { os: 'linux', cpu: thisSystem.cpu } : thisSystem

/** Opens the folder in which the coding agents of this machine are installed. */
export const openAgentStore = (settings: Settings, dataDir: string, log: Logger): AgentStore =>
  makeAgentStore({ folder: settings.agentsDir ?? join(dataDir, 'agents'), system: systemOf(settings), log })
