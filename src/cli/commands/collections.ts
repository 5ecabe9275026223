import type { Command } from 'commander'
import pc from 'picocolors'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { allPages } from '../all-pages.ts'
import { confirmByName } from '../input/ask.ts'
import { type Session, withSession } from '../session.ts'
import { fields, moment, table } from '../show/output.ts'
import { registerRetention } from './retention.ts'

/** `jetty collections …`. */
export const registerCollections = (program: Command): void => {
  const collections = program
    .command('collections')
    .description('Manage collections: each has its tasks, secrets and keys')
  collections
    .command('ls')
    .description('List the collections that the token covers, oldest first')
    .addHelpText('after', '\nExamples:\n  jetty collections ls\n  jetty collections ls --json | jq -r .[].name')
    .action(withSession(list))
  collections
    .command('get <collection>')
    .description('Show a collection, with the names of its secrets')
    .addHelpText('after', '\nExamples:\n  jetty collections get demo')
    .action(withSession<object, [string]>(show))
  collections
    .command('usage <collection>')
    .description('Show how much a collection stores and has spent today, and its quota')
    .addHelpText(
      'after',
      '\nExamples:\n  jetty collections usage demo\n  jetty collections usage demo --json | jq .stored_bytes',
    )
    .action(withSession<object, [string]>(usage))
  collections
    .command('create <name>')
    .description('Create a collection, and add it to the key you use')
    .option('-d, --description <text>', 'purpose of the collection')
    .addHelpText('after', '\nExamples:\n  jetty collections create acme -d "Reports of the sales team"')
    .action(withSession<{ description?: string }, [string]>(create))
  collections
    .command('rm <collection>')
    .description('Delete a collection and everything in it: tasks, runs, files, secrets (admin token)')
    .option('-y, --yes', 'do not ask for confirmation')
    .addHelpText(
      'after',
      '\nExamples:\n  jetty collections rm acme\n  jetty collections rm acme --yes --token-file ~/.jetty/admin-token',
    )
    .action(withSession<{ yes?: boolean }, [string]>(remove))
  collections
    .command('pause <collection>')
    .description('Stop the work of a collection: running steps end, accepted runs wait, new runs and calls are refused')
    .option('-r, --reason <text>', 'shown to everybody whose work is refused')
    .addHelpText(
      'after',
      `
Nothing is lost: runs wait before their next step, and routines before their next run, until the collection is resumed.
A pause with the admin token is a pause of the operator: keys cannot end it.

Examples:
  jetty collections pause acme --reason "The invoices are wrong, Ada looks into it"
  jetty collections resume acme`,
    )
    .action(withSession<{ reason?: string }, [string]>(pause))
  collections
    .command('resume <collection>')
    .description('End the pause of a collection: its runs go on')
    .addHelpText('after', '\nExamples:\n  jetty collections resume acme')
    .action(withSession<object, [string]>(resume))
  registerRetention(collections)
}

const list = async ({ client, out }: Session): Promise<void> => {
  const rows = await allPages(500, (query) => client.listCollections({ query }))
  out.answer(rows, () =>
    rows.length === 0
      ? ''
      : table(
          ['COLLECTION', 'CREATED', 'DESCRIPTION'],
          rows.map((row) => [row.name, moment(row.created_at), row.description || '-']),
        ),
  )
  if (rows.length === 0) out.note('No collections yet. Create one with: jetty collections create <name>')
}

const show = async ({ client, out }: Session, [collection]: [string]): Promise<void> => {
  const [found, { paused, pauses }] = await Promise.all([
    client.getCollection({ params: { collection } }),
    client.getCollectionPauses({ params: { collection } }),
  ])
  out.answer({ ...found, paused, pauses }, () =>
    fields([
      ['collection', found.name],
      ['description', found.description || '-'],
      ['owner', found.owner_identifier || '-'],
      ['created', moment(found.created_at)],
      ['secrets', Object.keys(found.environment_variables).join(', ') || 'none'],
      ...(paused ? [['paused', pauses.map(pauseText).join('\n')] as [string, string]] : []),
    ]),
  )
}

type Pause = Awaited<ReturnType<Session['client']['getCollectionPauses']>>['pauses'][number]

const pauseText = ({ by, author, reason, at }: Pause): string =>
  `by ${by === 'operator' ? 'the operator' : author}, ${moment(at)}${reason ? `: ${reason}` : ''}`

const pause = async (
  { client, out }: Session,
  [collection]: [string],
  { reason }: { reason?: string },
): Promise<void> => {
  const found = await client.pauseCollection({ params: { collection }, body: reason === undefined ? {} : { reason } })
  out.answer(found, () => `Paused ${collection}`)
  out.note(pc.dim(`Steps under way end, and accepted runs wait. Go on with: jetty collections resume ${collection}`))
}

const resume = async ({ client, out }: Session, [collection]: [string]): Promise<void> => {
  const found = await client.resumeCollection({ params: { collection } })
  out.answer(found, () =>
    found.paused
      ? `${collection} is still paused ${found.pauses.map(pauseText).join(', and ')}`
      : `Resumed ${collection}`,
  )
}

const usage = async ({ client, out }: Session, [collection]: [string]): Promise<void> => {
  const found = await client.getCollectionUsage({ params: { collection } })
  out.answer(found, () =>
    fields([
      ['runs', `${found.runs} of ${found.quota.runs}`],
      ['stored', `${byteSize(found.stored_bytes)} of ${byteSize(found.quota.stored_bytes)}`],
      ['in the database', byteSize(found.database_bytes)],
      ['in files', byteSize(found.file_bytes)],
      ['spent today', `$${found.spent_today.usd.toFixed(4)}, ${found.spent_today.tokens} tokens`],
      [
        'measured',
        found.measured === null
          ? 'not yet: data stored earlier is not included in these numbers'
          : moment(found.measured),
      ],
    ]),
  )
}

const create = async (
  { client, out }: Session,
  [name]: [string],
  { description }: { description?: string },
): Promise<void> => {
  const made = await client.createCollection({ body: { name, ...(description === undefined ? {} : { description }) } })
  out.answer(made, () => `Created ${made.name}`)
  out.note(pc.dim(`Add a task with: jetty tasks deploy <file> ${made.name}/<task>`))
}

const remove = async ({ client, out }: Session, [given]: [string], options: { yes?: boolean }): Promise<void> => {
  const { name } = await client.getCollection({ params: { collection: given } })
  await confirmByName(
    `This permanently deletes ${name} with its tasks, runs, files, secrets and keys.`,
    name,
    options.yes,
  )
  await client.deleteCollection({ params: { collection: name } })
  out.answer({ deleted: name }, () => `Deleted ${name}`)
}
