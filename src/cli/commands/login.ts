import type { Command } from 'commander'
import pc from 'picocolors'
import { makeCaller } from '../../client/caller.ts'
import { makeClient } from '../../client/client.ts'
import { AppError } from '../../lib/errors.ts'
import { redactToken } from '../../lib/ids.ts'
import { findLegacyToken, removeLegacyToken, saveLogin, tokenPath } from '../config-files.ts'
import { askSecret } from '../input/ask.ts'
import { sendByHttp } from '../send-by-http.ts'
import { type Session, withSession } from '../session.ts'
import { fields } from '../show/output.ts'

/** `jetty login` and `jetty whoami`. */
export const registerLogin = (program: Command): void => {
  program
    .command('login')
    .description('Save a token for later commands; it is typed at a prompt or read from stdin')
    .addHelpText(
      'after',
      `
The token is saved in ~/.config/jetty/token, readable only by you, and the server's address in api_base beside it; the
token is sent to no other server. A token that an older client left in the CLAUDE.md of this folder is moved there.

Examples:
  jetty login
  jetty login --url https://jetty.example.com < token.txt
  pass jetty | jetty login`,
    )
    .action(withSession(login))
  program
    .command('whoami')
    .description('Show which token is used, and the collections it covers')
    .addHelpText('after', '\nExamples:\n  jetty whoami\n  jetty whoami --json')
    .action(withSession(whoami))
}

const login = async (session: Session): Promise<void> => {
  const legacy = session.token === undefined ? findLegacyToken(process.cwd()) : undefined
  const isAsked = legacy === undefined || process.stdin.isTTY !== true
  const token = (isAsked ? await askSecret('Token (mlc_…, or the admin token)') : '').trim() || legacy || ''
  if (!/^\S+$/.test(token)) {
    throw new AppError('invalid', 'The token is empty or contains spaces', {
      hint: 'Type it at the prompt, or send it on stdin: jetty login < token.txt',
    })
  }
  const client = makeClient(session.operations, makeCaller(session.operations, { url: session.url, token }, sendByHttp))
  const identity = await client.whoAmI().catch((error) => {
    if (!(error instanceof AppError) || error.code !== 'unauthenticated') throw error
    throw new AppError('bad_request', `${session.url} refused this token: ${error.message}`, {
      hint: 'The token was not saved. Name another server with --url, or get a new key for this one.',
      cause: error,
    })
  })
  saveLogin(token, session.url)
  if (legacy === token) {
    removeLegacyToken(process.cwd())
    session.out.note(`Moved the token out of CLAUDE.md to ${tokenPath()}`)
  }
  session.out.answer({ ...identity, url: session.url, token: redactToken(token), token_path: tokenPath() }, () =>
    [
      `${pc.green('Logged in')} to ${session.url} with ${redactToken(token)}`,
      pc.dim(`Saved in ${tokenPath()}; it covers: ${identity.collections.join(', ') || 'no collection yet'}`),
    ].join('\n'),
  )
}

const whoami = async (session: Session): Promise<void> => {
  const identity = await session.client.whoAmI()
  const token = session.token === undefined ? null : redactToken(session.token)
  session.out.answer(
    {
      ...identity,
      url: session.url,
      url_source: session.urlSource,
      token,
      token_source: session.tokenSource ?? null,
    },
    () =>
      fields([
        ['server', `${session.url} (${session.urlSource})`],
        ['token', `${token} (${session.tokenSource})`],
        ['kind', identity.auth_type],
        ['name', identity.key_id === null ? identity.name : `${identity.name} (key ${identity.key_id})`],
        ['access', identity.access_level],
        ['collections', identity.collections.join(', ') || 'none'],
        ['home', identity.home_collection],
      ]),
  )
}
