import type { Command } from 'commander'
import { AppError } from '../../lib/errors.ts'
import { pause } from '../../lib/time.ts'
import { dataDirHere } from '../find-server.ts'
import { isRunning, runningServers, type ServerNote } from '../serve/server-notes.ts'
import { type Session, withSession } from '../session.ts'
import { makeProgressLine } from '../show/progress-line.ts'

const lookAgainMs = 50

/** `jetty stop`. */
export const registerStop = (program: Command): void => {
  program
    .command('stop')
    .description('Stop the server that runs on this machine; running steps may finish, and it waits for that')
    .addHelpText(
      'after',
      `
It stops what runs on the data folder (JETTY_DATA_DIR, else ~/.jetty), also where several processes share it, and no
server of another machine. Running steps get JETTY_DRAIN_SECONDS of the server; what is left goes on at the next start.

Examples:
  jetty stop
  JETTY_DATA_DIR=/var/lib/jetty jetty stop`,
    )
    .action(withSession(stop))
}

const askToStop = ({ pid }: ServerNote): void => {
  try {
    process.kill(pid, 'SIGTERM')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ESRCH') return // it has ended by itself
    throw new AppError('forbidden', `The server (process ${pid}) belongs to another user`, {
      hint: 'Stop it as that user, or as root.',
      cause: error,
    })
  }
}

const stop = async ({ out, signal }: Session): Promise<void> => {
  const dataDir = dataDirHere()
  const servers = runningServers(dataDir)
  if (servers.length === 0) {
    out.answer({ stopped: [], data_dir: dataDir }, () => '')
    out.note(`No server runs on ${dataDir}. JETTY_DATA_DIR names another folder.`)
    return
  }
  for (const server of servers) askToStop(server)
  const line = out.isJson ? undefined : makeProgressLine(() => 'Running steps may finish; waiting for the server')
  try {
    while (servers.some(isRunning) && (await pause(lookAgainMs, signal)));
  } finally {
    line?.stop()
  }
  if (signal.aborted) out.note('The server goes on stopping without you; jetty status shows whether it still runs.')
  signal.throwIfAborted()
  const stopped = servers.map(({ pid }) => pid)
  out.answer({ stopped, data_dir: dataDir }, () => stopped.map((pid) => `Stopped process ${pid}`).join('\n'))
}
