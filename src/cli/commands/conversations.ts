import type { Command } from 'commander'
import type { ListedConversation, Turn, User } from '../../model/runs/conversation.ts'
import { positive } from '../input/inputs.ts'
import { type Session, withSession } from '../session.ts'
import { dollars, moment, safe, table } from '../show/output.ts'

interface PageOptions {
  limit?: number
  cursor?: string
}

const withPages = (command: Command): Command =>
  command
    .option('--limit <n>', 'rows of a page, 100 at most (default: 50)', positive)
    .option('--cursor <cursor>', 'go on where the page before has ended')

/** `jetty conversations …` and `jetty users …`. */
export const registerConversations = (program: Command): void => {
  const conversations = program
    .command('conversations')
    .description('Read conversations: runs, gateway calls and traces with the same label `session`')
  withPages(
    conversations.command('ls <collection>').description('List the conversations of a collection, the latest first'),
  )
    .option('--user <user>', 'only conversations of this user')
    .addHelpText('after', '\nExamples:\n  jetty conversations ls acme\n  jetty conversations ls acme --user u-17')
    .action(withSession<PageOptions & { user?: string }, [string]>(listConversations))
  withPages(
    conversations
      .command('get <collection> <session>')
      .description('Show the turns of a conversation in order, with what each cost and which runs it started'),
  )
    .addHelpText('after', '\nExamples:\n  jetty conversations get acme c-4')
    .action(withSession<PageOptions, [string, string]>(getConversation))

  const users = program.command('users').description('Look at users: values of the label `user`, and what they cost')
  withPages(users.command('ls <collection>').description('List the users of a collection, the latest first'))
    .addHelpText('after', '\nExamples:\n  jetty users ls acme\n  jetty stats acme --label user:u-17')
    .action(withSession<PageOptions, [string]>(listUsers))
}

const figures = ({ runs, calls, tokens, cost_usd, last_at }: User | ListedConversation) => [
  ...[runs, calls, tokens, dollars(cost_usd), moment(last_at)],
]
const headings = ['RUNS', 'CALLS', 'TOKENS', 'COST', 'LAST SEEN']

/** The rows of a page, and how to go on. */
const pageText = (text: string, next: string | null, nothing: string): string =>
  text === '' ? nothing : next === null ? text : `${text}\nMore with: --cursor ${next}`

const listConversations = async (
  { client, out }: Session,
  [collection]: [string],
  query: PageOptions & { user?: string },
): Promise<void> => {
  const found = await client.listConversations({ params: { collection }, query })
  const rows = found.conversations.map((one) => [one.session, one.user, ...figures(one)])
  const text = rows.length === 0 ? '' : table(['SESSION', 'USER', ...headings], rows)
  out.answer(found, () => pageText(text, found.next_cursor, `No run of ${collection} has the label session`))
}

const listUsers = async ({ client, out }: Session, [collection]: [string], query: PageOptions): Promise<void> => {
  const found = await client.listUsers({ params: { collection }, query })
  const rows = found.users.map((one) => [one.user, ...figures(one)])
  const text = rows.length === 0 ? '' : table(['USER', ...headings], rows)
  out.answer(found, () => pageText(text, found.next_cursor, `No run of ${collection} has the label user`))
}

const turnText = (turn: Turn): string =>
  [
    `${moment(turn.created)}  ${turn.task}/${turn.trajectory_id}  ${turn.status}  ${dollars(turn.cost_usd)}, ${turn.tokens} tokens`,
    ...[`${turn.user ?? 'user'}: ${turn.said}`, `answer: ${turn.answered}`],
    ...(turn.started_total > 0 ? [`started ${turn.started_total} runs`] : []),
  ]
    .map((line) => safe(line))
    .join('\n')

const getConversation = async (
  { client, out }: Session,
  [collection, session]: [string, string],
  query: PageOptions,
): Promise<void> => {
  const found = await client.getConversation({ params: { collection, session }, query })
  const text = found.turns.map(turnText).join('\n\n')
  out.answer(found, () => pageText(text, found.next_cursor, 'No further turns'))
}
