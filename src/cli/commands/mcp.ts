import type { Command } from 'commander'
import { type Session, withSession } from '../session.ts'

/** `jetty mcp`. */
export const registerMcp = (program: Command): void => {
  program
    .command('mcp')
    .description('Serve tools for coding agents over stdin and stdout (Model Context Protocol)')
    .option('--folder <path>', 'folder whose files tools may send and write (default: the current one)')
    .addHelpText(
      'after',
      `
A coding agent starts this command itself. Add it once:
  claude mcp add jetty -- jetty mcp
  codex mcp add jetty -- jetty mcp

Tools use the server and the token of every other command. Without this command, a client can use the address /mcp of
the server, with the key in its Authorization header: see docs/mcp.md.

Examples:
  jetty mcp --url https://jetty.example.com --token-file ~/jetty-key`,
    )
    .action(withSession<{ folder?: string }>(serve))
}

const serve = async (
  { call, out, signal }: Session,
  _: string[],
  { folder = '.' }: { folder?: string },
): Promise<void> => {
  if (process.stdin.isTTY)
    out.note('Waits for a coding agent on stdin. `jetty mcp --help` says how to add it to one; Ctrl-C ends it.')
  const { serveStdio } = await import('../../mcp/serve-stdio.ts')
  await serveStdio(call, folder, signal)
}
