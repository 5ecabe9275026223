import type { Command } from 'commander'
import pc from 'picocolors'
import { makeCaller } from '../../client/caller.ts'
import { makeClient } from '../../client/client.ts'
import { AppError } from '../../lib/errors.ts'
import { redactToken } from '../../lib/ids.ts'
import type { Trial } from '../../model/collections/trial.ts'
import { findLegacyToken, removeLegacyToken, saveLogin, tokenPath } from '../config-files.ts'
import { askSecret } from '../input/ask.ts'
import { sendByHttp } from '../send-by-http.ts'
import { type Session, withSession } from '../session.ts'
import { openInBrowser } from '../show/open-in-browser.ts'
import { fields, moment } from '../show/output.ts'

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

/** `jetty sign-in`. */
export const registerSignIn = (program: Command): void => {
  program
    .command('sign-in')
    .description('Print a link that opens the pages of the server and signs the browser in')
    .option('--open', 'open it in the browser as well')
    .addHelpText(
      'after',
      `
The link is good once, for ten minutes. The browser may then do what the token of this command may; --token-file chooses
another one, such as the admin token.

Examples:
  jetty sign-in
  jetty sign-in --open
  jetty sign-in --token-file ~/.jetty/admin-token`,
    )
    .action(withSession(signIn))
}

const signIn = async (session: Session, _: string[], options: { open?: boolean }): Promise<void> => {
  const link = await session.client.createSignInLink()
  if (options.open) openInBrowser(link.url)
  session.out.answer(link, () => `${link.url}\n${pc.dim('Good once, for ten minutes.')}`)
}

/** `jetty trial …`. */
export const registerTrial = (program: Command): void => {
  const trial = program
    .command('trial')
    .description("Try Jetty on the server's model keys before you have a key of your own")
  trial
    .command('show <collection>')
    .description('Show whether a trial is active, and what is left of it')
    .addHelpText('after', '\nExamples:\n  jetty trial show demo\n  jetty trial show demo --json')
    .action(withSession<object, [string]>(show))
  trial
    .command('activate <collection>')
    .description('Start the one trial of a collection; `jetty run` uses it while the collection has no key of its own')
    .addHelpText('after', '\nExamples:\n  jetty trial activate demo')
    .action(withSession<object, [string]>(activate))
}

const tell = ({ out }: Session, trial: Trial): void =>
  out.answer(trial, () =>
    fields([
      ['status', trial.status],
      ['runs', `${trial.runs_used} of ${trial.runs_limit} used, ${trial.runs_remaining} remaining`],
      ['minutes', `${trial.minutes_used} of ${trial.minutes_limit} used, ${trial.minutes_remaining} remaining`],
      ['activated', moment(trial.activated_at)],
      ['expires', moment(trial.expires_at)],
      ['lends', trial.providers.join(', ') || null],
    ]),
  )

const show = async (session: Session, [collection]: [string]): Promise<void> => {
  const trial = await session.client.getTrial({ params: { collection } })
  tell(session, trial)
  if (trial.status === 'inactive') session.out.note(`Start the trial with: jetty trial activate ${collection}`)
}

const activate = async (session: Session, [collection]: [string]): Promise<void> =>
  tell(session, await session.client.activateTrial({ params: { collection } }))
