import type { Command } from 'commander'

/** Options of every command, before or after its name. */
export interface Globals {
  json?: boolean
  url?: string
  tokenFile?: string
}

export const addGlobals = (program: Command): Command =>
  program
    .option('--json', 'print JSON on stdout, and nothing else there')
    .option('--url <url>', 'server to talk to (default: the one that `jetty status` shows)')
    .option('--token-file <path>', 'file that holds the token (default: JETTY_API_TOKEN, then ~/.config/jetty/token)')
