import type { Command } from 'commander'
import pc from 'picocolors'
import { messageOf } from '../../lib/errors.ts'
import { redactToken } from '../../lib/ids.ts'
import { exitCodes } from '../exit.ts'
import { askHealth, type Health } from '../explain-connection.ts'
import { dataDirHere } from '../find-server.ts'
import { runningServers, type ServerNote } from '../serve/server-notes.ts'
import { type Session, withSession } from '../session.ts'
import { duration, fields, moment, safe } from '../show/output.ts'

/** `jetty status`. */
export const registerStatus = (program: Command): void => {
  program
    .command('status')
    .description('Show which server commands talk to and why, whether it answers, and the servers of this machine')
    .addHelpText(
      'after',
      `
The commands use the first server that is found in: --url, JETTY_API_URL, JETTY_PORT, the server that runs on
JETTY_DATA_DIR, the server of the last login (~/.config/jetty/api_base), the server that runs on ~/.jetty, and
http://127.0.0.1:7070. The exit code is 3 if it does not answer.

Examples:
  jetty status
  JETTY_DATA_DIR=/var/lib/jetty jetty status
  jetty status --json | jq -r .url`,
    )
    .action(withSession(status))
}

const status = async (session: Session): Promise<void> => {
  const { out, url, urlSource, token, tokenSource, withheld } = session
  const asked = await askHealth(session).catch((error: unknown) => messageOf(error))
  const health = typeof asked === 'string' ? undefined : asked
  const dataDir = dataDirHere()
  const processes = runningServers(dataDir)
  const found = {
    url,
    url_source: urlSource,
    answers: health !== undefined,
    version: health?.version ?? null,
    uptime_seconds: health?.uptime_seconds ?? null,
    token: token === undefined ? null : redactToken(token),
    token_source: tokenSource ?? null,
    data_dir: dataDir,
    processes: processes.map(({ pid, role, url: at, version, since }) => ({ pid, role, url: at, version, since })),
  }
  const withheldText = withheld && `none: the token in ${withheld.source} belongs to ${withheld.madeFor}`
  out.answer(found, () =>
    fields([
      ['server', `${url} (${urlSource})`],
      ['state', typeof asked === 'string' ? asked : stateText(asked), health ? pc.green : pc.red],
      ['token', token === undefined ? (withheldText ?? 'none') : `${redactToken(token)} (${tokenSource})`],
      ['data folder', dataDir],
      ['on it', processes.length === 0 ? 'no server runs' : processes.map(processText).join('\n')],
    ]),
  )
  if (health) return
  process.exitCode = exitCodes.serverFailed
  if (processes.length === 0) out.note(pc.dim('Start one with: jetty serve'))
}

const stateText = ({ version, uptime_seconds: uptime }: Health): string =>
  `answers, ${version === undefined ? 'version unknown' : `version ${version}, up for ${duration(uptime)}`}`

const processText = ({ pid, role, url, since }: ServerNote): string =>
  `process ${pid}, ${role === 'worker' ? 'a worker' : safe(url ?? '')}, since ${moment(since)}`
