import type { Command } from 'commander'
import pc from 'picocolors'
import { type Session, withSession } from '../session.ts'
import { openInBrowser } from '../show/open-in-browser.ts'

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
