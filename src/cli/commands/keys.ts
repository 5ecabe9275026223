import { type Command, Option } from 'commander'
import pc from 'picocolors'
import { AppError } from '../../lib/errors.ts'
import { pause } from '../../lib/time.ts'
import { allPages } from '../all-pages.ts'
import { exitCodes } from '../exit.ts'
import { future } from '../input/moments.ts'
import { type Session, withSession } from '../session.ts'
import { moment, safe, table } from '../show/output.ts'
import { makeProgressLine } from '../show/progress-line.ts'

const lookAgainMs = 500

/** `jetty keys rotate-secret`: starts the rotation of the encryption key and waits for its end. */
const rotateSecret = async ({ client, out, signal }: Session): Promise<void> => {
  let status = await client.rotateSecretKey()
  if (status.state === 'running') {
    out.note('The server encrypts everything with its newest key; this takes half a minute or more.')
    out.note(pc.dim('Ctrl-C stops watching, not the work.'))
  }
  const line = out.isJson
    ? undefined
    : makeProgressLine(() => `${status.resealed} of ${status.total} encrypted with the newest key`)
  try {
    while (status.state === 'running' && (await pause(lookAgainMs, signal)))
      status = await client.getSecretKeyRotation()
  } finally {
    line?.stop()
  }
  signal.throwIfAborted()
  if (status.state === 'failed') {
    if (status.error) out.note(`${pc.red('error:')} ${safe(status.error)}`)
    process.exitCode = exitCodes.serverFailed
  } else out.note(`${status.resealed} of ${status.total} encrypted with key ${status.current_key_id}`)
  out.answer(status, () => safe(status.next_step))
}

/** `jetty keys …`. */
export const registerKeys = (program: Command): void => {
  const keys = program.command('keys').description('Create, list and revoke API keys')
  keys
    .command('create <collection...>')
    .description('Create a key for one or more collections and print it; it is shown only once')
    .requiredOption('--name <name>', 'who or what the key is for')
    .option('--read-only', 'READ access: it can read everything, and run or change nothing')
    .addOption(new Option('--worker', 'WORKER access: it can only take jobs as a worker').conflicts('readOnly'))
    .option(
      '--expires <when>',
      'how long it is valid: a time span such as 30d, 12h or 1y, or a date such as 2027-01-31',
      future,
    )
    .addHelpText(
      'after',
      `
Examples:
  jetty keys create acme --name ci > ci.token
  jetty keys create acme demo --name dashboard --read-only --expires 90d
  jetty keys create acme --name gpu-box --worker > worker.token`,
    )
    .action(withSession<CreateOptions, [string[]]>(create))
  keys
    .command('ls <collection>')
    .description('List the keys of a collection, newest first; the full keys are never shown')
    .addHelpText('after', '\nExamples:\n  jetty keys ls acme')
    .action(withSession<object, [string]>(list))
  keys
    .command('home <id> <collection>')
    .description('Set the default collection of a key')
    .addHelpText(
      'after',
      '\nExamples:\n  jetty keys home 12 acme\n  jetty whoami                       shows the id of the key in use',
    )
    .action(withSession<object, [string, string]>(setHome))
  keys
    .command('change <id>')
    .description('Rename a key, or set until when it is valid')
    .option('--name <name>', 'who or what the key is for')
    .option('--expires <when>', 'as for create, or never', (text) => (text === 'never' ? null : future(text)))
    .addHelpText('after', '\nExamples:\n  jetty keys change 12 --name ci-2027\n  jetty keys change 12 --expires 90d')
    .action(withSession<ChangeOptions, [string]>(change))
  keys
    .command('revoke <id...>')
    .description('Delete keys; the server refuses their next request')
    .option('--keep', 'disable them instead; they stay in the list')
    .option('--below', 'also all keys that were made with them, at all levels')
    .addHelpText(
      'after',
      '\nExamples:\n  jetty keys revoke 12\n  jetty keys revoke 12 13 --keep\n  jetty keys revoke 12 --below      when a key has leaked',
    )
    .action(withSession<RevokeOptions, [string[]]>(revoke))
  keys
    .command('rotate-secret')
    .description('Encrypt every stored secret with the newest encryption key of the server (admin token)')
    .addHelpText(
      'after',
      `
This changes the encryption key of the secrets; tokens stay the same. Ctrl-C stops watching, not the work.

Examples:
  jetty keys rotate-secret --token-file ~/.jetty/admin-token`,
    )
    .action(withSession(rotateSecret))
}

interface CreateOptions {
  name: string
  readOnly?: boolean
  worker?: boolean
  expires?: string
}

const create = async ({ client, out }: Session, [given]: [string[]], options: CreateOptions): Promise<void> => {
  const [first = '', ...collections] = given
  const key = await client.createKey({
    body: {
      name: options.name,
      collection_name: first,
      ...(collections.length > 0 ? { collections } : {}),
      access_level: options.worker ? 'WORKER' : options.readOnly ? 'READ' : 'WRITE',
      ...(options.expires === undefined ? {} : { expires_at: options.expires }),
    },
  })
  const until = key.expires_at === null ? '' : `, until ${moment(key.expires_at)}`
  out.note(`Key ${key.id} (${options.name}) may ${rights[key.access_level]} ${key.collections.join(', ')}${until}.`)
  out.note(pc.yellow('The key is shown only this once. Save it now.'))
  out.answer(key, () => key.api_key)
}

const rights = { READ: 'read', WRITE: 'read, run and change', WORKER: 'take jobs as a worker of' } as const

const list = async ({ client, out }: Session, [collection]: [string]): Promise<void> => {
  const keys = await allPages(500, (query) => client.listKeys({ params: { collection }, query }))
  out.answer(keys, () =>
    keys.length === 0
      ? ''
      : table(
          ['ID', 'NAME', 'KEY', 'ACCESS', 'HOME', 'COLLECTIONS', 'STATE', 'EXPIRES', 'LAST USED', 'CREATED BY'],
          keys.map((key) => [
            key.id,
            key.name,
            `${key.key_prefix}…`,
            key.access_level,
            key.home_collection,
            key.collections.join(' '),
            stateOf(key),
            moment(key.expires_at),
            moment(key.last_used_at),
            key.created_by,
          ]),
        ),
  )
  if (keys.length === 0)
    out.note(`No keys for ${collection}. Create one with: jetty keys create ${collection} --name <name>`)
}

const stateOf = (key: { is_active: boolean; expires_at: string | null }): string => {
  if (!key.is_active) return 'off'
  return key.expires_at !== null && Date.parse(key.expires_at) <= Date.now() ? 'expired' : 'valid'
}

const requireId = (id: string): void => {
  if (/^\d+$/.test(id)) return
  throw new AppError('invalid', `Expected the id of a key, got ${JSON.stringify(id.slice(0, 8))}`, {
    hint: 'jetty keys ls <collection> lists the ids.',
  })
}

const setHome = async ({ client, out }: Session, [id, collection]: [string, string]): Promise<void> => {
  requireId(id)
  const key = await client.updateKey({ params: { id }, body: { home_collection: collection } })
  out.answer(key, () => `The home collection of key ${id} (${key.name}) is ${key.home_collection}`)
}

interface ChangeOptions {
  name?: string
  expires?: string | null
}

const change = async ({ client, out }: Session, [id]: [string], { name, expires }: ChangeOptions): Promise<void> => {
  requireId(id)
  if (name === undefined && expires === undefined) {
    throw new AppError('invalid', 'Nothing to change', { hint: `For example: jetty keys change ${id} --expires 90d` })
  }
  const body = { ...(name !== undefined && { name }), ...(expires !== undefined && { expires_at: expires }) }
  const key = await client.updateKey({ params: { id }, body })
  const until = key.expires_at === null ? 'until it is revoked' : `until ${moment(key.expires_at)}`
  out.answer(key, () => `Key ${id} (${key.name}) is valid ${until}`)
}

interface RevokeOptions {
  keep?: boolean
  below?: boolean
}

const revoke = async (session: Session, [ids]: [string[]], { keep, below }: RevokeOptions): Promise<void> => {
  const { client, out } = session
  for (const id of ids) requireId(id)
  const query = below ? { below: 'true' as const } : {}
  const lines: string[] = []
  const revoked = new Set<number>()
  const left = new Set<number>()
  for (const id of ids.filter((one) => !revoked.has(Number(one)))) {
    const { name } = await client.getKey({ params: { id } })
    if (keep) await client.updateKey({ params: { id }, query, body: { is_active: false } })
    const ended = keep ? { deleted: [Number(id)], left: [] } : await client.deleteKey({ params: { id }, query })
    for (const one of ended.deleted) revoked.add(one)
    for (const one of ended.left) left.add(one)
    const others = ended.deleted.filter((one) => one !== Number(id))
    const more = others.length > 0 ? `, and the keys created with it: ${others.join(', ')}` : ''
    lines.push(`${keep ? 'Disabled' : 'Deleted'} key ${id} (${name})${more}`)
  }
  out.answer({ revoked: [...revoked], deleted: !keep }, () => lines.join('\n'))
  const valid = [...left].filter((one) => !revoked.has(one))
  if (valid.length > 0) {
    out.note(
      pc.yellow(
        `Keys created with it are still valid: ${valid.join(', ')}. Revoke them with: jetty keys revoke ${valid.join(' ')} --below`,
      ),
    )
  }
}
