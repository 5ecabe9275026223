import type { Command } from 'commander'
import { AppError } from '../../lib/errors.ts'
import { nearest } from '../../lib/text/nearest.ts'
import { variableNamePattern } from '../../model/collections/variable-name.ts'
import { askSecret } from '../input/ask.ts'
import { readDotenv } from '../input/dotenv.ts'
import { readInputText } from '../input/inputs.ts'
import { type Session, withSession } from '../session.ts'

/** `jetty env …`. */
export const registerEnv = (program: Command): void => {
  const env = program.command('env').description('Manage the secrets of a collection, which its tasks read as env.NAME')
  env
    .command('ls <collection>')
    .description('List the names of the secrets; values are never shown')
    .addHelpText('after', '\nExamples:\n  jetty env ls demo\n  jetty env ls demo --json')
    .action(withSession<object, [string]>(list))
  env
    .command('set <collection> [NAME]')
    .description('Set a secret, typed at a prompt or read from stdin; runs that start later use it')
    .option('--dotenv', 'read several secrets from stdin, as lines of NAME=value')
    .allowExcessArguments() // refused by `refuseValues` with the right way
    .addHelpText(
      'after',
      `
A value is never an argument: other users of the machine could read it, and it would stay in the shell's history.
One line break at the end of stdin is removed.

Examples:
  jetty env set demo OPENAI_API_KEY
  pass openai | jetty env set demo OPENAI_API_KEY
  jetty env set demo SERVICE_ACCOUNT < account.json
  jetty env set demo --dotenv < .env`,
    )
    .action((...given: unknown[]) => {
      refuseValues((given.at(-1) as Command).args.slice(1))
      return withSession<{ dotenv?: boolean }, [string, string | undefined]>(set)(...given)
    })
  env
    .command('rm <collection> <NAME...>')
    .description('Delete secrets')
    .addHelpText('after', '\nExamples:\n  jetty env rm demo OPENAI_API_KEY SLACK_TOKEN')
    .action(withSession<object, [string, string[]]>(remove))
}

/** Refuses a value as an argument, without repeating what may be a secret. */
const refuseValues = ([name = '', ...more]: string[]): void => {
  const [before = ''] = name.split('=', 1)
  if (more.length === 0 && before === name) return
  const known = variableNamePattern.test(before) ? before : 'NAME'
  throw new AppError('invalid', 'A secret cannot be passed as an argument: other users of this machine could read it', {
    hint: `Type it at the prompt or send it on stdin: jetty env set <collection> ${known} < file\n  Your shell may have kept the value in its history: remove it there.`,
  })
}

const list = async ({ client, out }: Session, [collection]: [string]): Promise<void> => {
  const names = Object.keys((await client.getEnvironment({ params: { collection } })).environment_variables)
  out.answer(names, () => names.join('\n'))
  if (names.length === 0) out.note(`No secrets in ${collection}. Set one with: jetty env set ${collection} <NAME>`)
}

const set = async (
  session: Session,
  [collection, name]: [string, string | undefined],
  { dotenv }: { dotenv?: boolean },
): Promise<void> => {
  if ((name === undefined) !== (dotenv === true)) {
    throw new AppError('invalid', 'Give one NAME, or --dotenv to read many from stdin', {
      hint: `For example: jetty env set ${collection} OPENAI_API_KEY, or jetty env set ${collection} --dotenv < .env`,
    })
  }
  const variables = name === undefined ? readDotenv(readInputText('-')) : { [name]: await readValue(name) }
  await session.client.setEnvironment({ params: { collection }, body: { environment_variables: variables } })
  const names = Object.keys(variables)
  session.out.answer({ collection, set: names }, () => `Set ${names.join(', ')} in ${collection}`)
}

const readValue = async (name: string): Promise<string> => {
  if (!variableNamePattern.test(name)) {
    throw new AppError('invalid', `${JSON.stringify(name)} is not a valid variable name`, {
      hint: 'Use letters, digits and underscores, as in OPENAI_API_KEY.',
    })
  }
  const value = (await askSecret(`Value of ${name}`)).replace(/\r?\n$/, '')
  if (value !== '') return value
  throw new AppError('invalid', `The value of ${name} is empty`, {
    hint: `Type it at the prompt, or send it on stdin: jetty env set <collection> ${name} < file`,
  })
}

const remove = async ({ client, out }: Session, [collection, names]: [string, string[]]): Promise<void> => {
  const known = Object.keys((await client.getEnvironment({ params: { collection } })).environment_variables)
  for (const name of names) {
    if (known.includes(name)) continue
    const meant = nearest(name, known)
    throw new AppError('not_found', `${collection} has no secret ${JSON.stringify(name)}; nothing was deleted`, {
      hint: meant === undefined ? `jetty env ls ${collection} lists the names.` : `Did you mean ${meant}?`,
    })
  }
  const gone = Object.fromEntries(names.map((name) => [name, null]))
  await client.setEnvironment({ params: { collection }, body: { environment_variables: gone } })
  out.answer({ collection, deleted: names }, () => `Deleted ${names.join(', ')} from ${collection}`)
}
