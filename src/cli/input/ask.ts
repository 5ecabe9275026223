import { AppError } from '../../lib/errors.ts'
import { safe } from '../show/output.ts'
import { readInputText } from './inputs.ts'

/** Tells whether a person can answer questions. */
export const isAnswered = (): boolean => process.stdin.isTTY === true

const interrupted = () => new DOMException('cancelled', 'AbortError')

/** Reads a secret: typed without echo, or from stdin when it is no terminal. */
export const askSecret = async (message: string): Promise<string> => {
  if (!isAnswered()) return readInputText('-')
  const { isCancel, password } = await import('@clack/prompts')
  const answer = await password({ message: safe(message), output: process.stderr })
  if (isCancel(answer)) throw interrupted()
  return answer
}

/** Asks for one non-empty line. */
export const askText = async (message: string, preset?: string): Promise<string> => {
  const { isCancel, text } = await import('@clack/prompts')
  const answer = await text({
    message: safe(message), // the text may come from an untrusted file
    output: process.stderr,
    ...(preset === undefined ? {} : { initialValue: preset }),
    validate: (value) => (value?.trim() ? undefined : 'It cannot be empty.'),
  })
  if (isCancel(answer)) throw interrupted()
  return answer
}

/** Asks to choose one. */
export const askChoice = async (message: string, choices: readonly string[]): Promise<string> => {
  const { isCancel, select } = await import('@clack/prompts')
  const options = choices.map((value) => ({ value, label: safe(value) }))
  const answer = await select({ message: safe(message), options, output: process.stderr })
  if (isCancel(answer)) throw interrupted()
  return answer
}

/** Asks before an irreversible action; without a terminal it requires --yes. "No" ends the command. */
const confirmed = async (what: string, isSure: boolean | undefined, ask: () => Promise<boolean>): Promise<void> => {
  if (isSure) return
  if (!isAnswered()) {
    throw new AppError('invalid', `${what} It needs confirmation, but there is no terminal to ask`, {
      hint: 'Nothing was changed. Confirm with --yes.',
    })
  }
  if (await ask()) return
  process.stderr.write('Nothing was changed.\n')
  throw interrupted()
}

/** Asks y or N. */
export const confirm = (what: string, isSure: boolean | undefined): Promise<void> =>
  confirmed(what, isSure, async () => {
    const { confirm: ask } = await import('@clack/prompts')
    return (await ask({ message: `${what} Continue?`, initialValue: false, output: process.stderr })) === true
  })

/** Asks to type the name, for actions that delete much. */
export const confirmByName = (what: string, name: string, isSure: boolean | undefined): Promise<void> =>
  confirmed(what, isSure, async () => {
    const { text } = await import('@clack/prompts')
    return (await text({ message: `${what} Type ${name} to continue`, output: process.stderr })) === name
  })
