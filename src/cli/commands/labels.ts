import { userInfo } from 'node:os'
import type { Command } from 'commander'
import { AppError } from '../../lib/errors.ts'
import { findRunPlace, runMeaning } from '../input/find-run.ts'
import { placeText } from '../input/places.ts'
import { type Session, withSession } from '../session.ts'
import { moment, table } from '../show/output.ts'

const authorOption = [
  '--author <name>',
  'author of the label (default: the name of the key, or your user name)',
] as const

/** `jetty labels …`. */
export const registerLabels = (program: Command): void => {
  const labels = program.command('labels').description('Label runs: grades, reviews, anything')
  labels
    .command('add <run> <key[=value]...>')
    .description('Set labels; a label with the same key and author is replaced')
    .option(...authorOption)
    .addHelpText(
      'after',
      `\n${runMeaning}\n\nExamples:\n  jetty labels add demo/hello quality=high\n  jetty labels add demo/hello/1f2e3d4c reviewed score=0.8 --author anna`,
    )
    .action(withSession<{ author?: string }, [string, string[]]>(add))
  labels
    .command('ls <run>')
    .description('List the labels of a run, the newest last')
    .addHelpText('after', `\n${runMeaning}\n\nExamples:\n  jetty labels ls demo/hello`)
    .action(withSession<object, [string]>(list))
  labels
    .command('rm <run> <key>')
    .description('Remove a label, by all authors')
    .option('--author <name>', 'only the label by this author')
    .addHelpText(
      'after',
      `\n${runMeaning}\n\nExamples:\n  jetty labels rm demo/hello/1f2e3d4c quality\n  jetty labels rm demo/hello quality --author anna`,
    )
    .action(withSession<{ author?: string }, [string, string]>(remove))
}

/** Name of the local user; some containers have none. */
const localName = (): string => {
  try {
    return userInfo().username
  } catch {
    return 'cli'
  }
}

const parseLabel = (text: string): { key: string; value: string } => {
  const at = text.indexOf('=')
  if (at !== 0 && text !== '')
    return at < 0 ? { key: text, value: '' } : { key: text.slice(0, at), value: text.slice(at + 1) }
  throw new AppError('invalid', `Expected key or key=value, got ${JSON.stringify(text)}`, {
    hint: 'For example: jetty labels add demo/hello quality=high',
  })
}

/** Labels of an option that is repeated, as an object; the last value of a key counts. */
export const labelsOf = (texts: readonly string[] = []): Record<string, string> =>
  Object.fromEntries(texts.map(parseLabel).map(({ key, value }) => [key, value]))

interface ShownLabel {
  key: string
  value: string
  author: string
  recorded_by: string | null
  created: string
}

const labelTable = (labels: ShownLabel[]): string =>
  labels.length === 0
    ? ''
    : table(
        ['KEY', 'VALUE', 'AUTHOR', 'RECORDED BY', 'CREATED'],
        labels.map(({ key, value, author, recorded_by, created }) => [
          key,
          value || '-',
          author,
          recorded_by ?? 'not known',
          moment(created),
        ]),
      )

const add = async (session: Session, [run, given]: [string, string[]], options: { author?: string }): Promise<void> => {
  const { client, out } = session
  const wanted = given.map(parseLabel)
  const params = await findRunPlace(session, run)
  const author = options.author ?? (await client.whoAmI()).name ?? localName()
  let labels: ShownLabel[] = []
  for (const label of wanted) labels = (await client.addLabel({ params, body: { ...label, author } })).labels
  out.answer(labels, () => labelTable(labels))
}

const list = async (session: Session, [run]: [string]): Promise<void> => {
  const params = await findRunPlace(session, run)
  const { labels } = await session.client.listLabels({ params })
  session.out.answer(labels, () => labelTable(labels))
  if (labels.length === 0) session.out.note(`${placeText(params)} has no labels.`)
}

const remove = async (
  session: Session,
  [run, key]: [string, string],
  { author }: { author?: string },
): Promise<void> => {
  const { client, out } = session
  const params = await findRunPlace(session, run)
  const isMeant = (label: ShownLabel) => label.key === key && (author === undefined || label.author === author)
  const { labels } = await client.listLabels({ params })
  if (!labels.some(isMeant)) {
    const keys = [...new Set(labels.map((label) => (label.key === key ? `${key} by ${label.author}` : label.key)))]
    throw new AppError('not_found', `${placeText(params)} has no such label`, {
      hint: `It has: ${keys.join(', ') || 'none'}`,
    })
  }
  const left = await client.deleteLabel({ params: { ...params, key }, query: author === undefined ? {} : { author } })
  out.answer(left.labels, () => `Removed ${key} from ${placeText(params)}`)
}
