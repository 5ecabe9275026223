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
    .description('Stop the server on this machine, and wait until its running steps have finished')
    .addHelpText(
      'after',
      `
Stops every server process of the data folder (JETTY_DATA_DIR, else ~/.jetty) on this machine.
Running steps get the server's JETTY_DRAIN_SECONDS to finish; unfinished runs continue at the next start.

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
    if (code === 'ESRCH') return // it has ended already
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
    out.note(`No server runs on the data folder ${dataDir}. Select another folder with JETTY_DATA_DIR.`)
    return
  }
  for (const server of servers) askToStop(server)
  const line = out.isJson ? undefined : makeProgressLine(() => 'Waiting for running steps to finish')
  try {
    while (servers.some(isRunning) && (await pause(lookAgainMs, signal)));
  } finally {
    line?.stop()
  }
  if (signal.aborted) out.note('The server continues to stop. See whether it still runs with: jetty status')
  signal.throwIfAborted()
  const stopped = servers.map(({ pid }) => pid)
  out.answer({ stopped, data_dir: dataDir }, () => stopped.map((pid) => `Stopped process ${pid}`).join('\n'))
}
