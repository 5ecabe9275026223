import type { Command } from 'commander'

/** Options of every command, before or after its name. */
export interface Globals {
  json?: boolean
  url?: string
  tokenFile?: string
}

export const addGlobals = (program: Command): Command =>
  program
    .option('--json', 'print only JSON on stdout')
    .option('--url <url>', 'server to use (default: the one that `jetty status` shows)')
    .option('--token-file <path>', 'file with the token (default: JETTY_API_TOKEN, then ~/.config/jetty/token)')
