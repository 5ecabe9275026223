import { forEachChild, parse, type SyntaxNode } from 'unbash'
import { AppError } from '../../../lib/errors.ts'
import { placeholder, type Variables } from '../variables.ts'

/** A command of a shell, and the values that it reads from its environment. */
export interface FilledCommand {
  command: string
  env: Record<string, string>
}

type Context = 'plain' | 'single' | 'double' | 'literal-lines' | 'arithmetic'

/** How each context writes the value of an environment variable so that it stays one text there. */
const reference: Record<Exclude<Context, 'literal-lines' | 'arithmetic'>, (name: string) => string> = {
  plain: (name) => `"\${${name}}"`,
  single: (name) => `'"\${${name}}"'`,
  double: (name) => `\${${name}}`,
}

const contextOf = (node: SyntaxNode, parent: SyntaxNode | undefined): Context | undefined => {
  switch (node.type) {
    case 'Script':
      return 'plain' // a `$(…)` has quotes of its own
    case 'SingleQuoted':
    case 'AnsiCQuoted':
      return 'single'
    case 'DoubleQuoted':
    case 'LocaleString':
      return 'double'
    case 'HereDocBody':
      return parent?.type === 'HereDoc' && parent.delimiter?.quoted ? 'literal-lines' : 'double'
    case 'ArithmeticExpansion':
    case 'ArithmeticCommand':
      return 'arithmetic'
  }
}

const longestFilled = 16 * 1024
/** Maximum brackets that open; reading as many that nest takes 20 ms, and 16,000 characters of them took 0.6 s. */
const mostOpened = 1_000

const unreadable = (what: string, cause?: unknown): AppError =>
  new AppError('invalid', `The command of verify ${what}, so its {{variables}} cannot be filled in`, {
    hint: 'Write it in fewer or simpler lines, for example as a script that the runbook brings along.',
    ...(cause === undefined ? {} : { cause }),
  })

/** The quotes around each character: those of the innermost node that contains it. */
const contextsIn = (command: string): Context[] => {
  const contexts = new Array<Context>(command.length).fill('plain')
  const visit = (node: SyntaxNode, parent?: SyntaxNode) => {
    const context = contextOf(node, parent)
    if (context) contexts.fill(context, node.pos, node.end)
    forEachChild(node, (child) => visit(child, node))
  }
  try {
    visit(parse(command))
  } catch (cause) {
    if (cause instanceof RangeError) throw unreadable('nests too deeply', cause) // the stack has no more room
    throw cause
  }
  return contexts
}

/** Letters and digits as long as the placeholder, so that the positions stay those of the command. */
const asWord = (text: string): string => text.replace(/[^\n]/g, 'x')

const inOneLine = (value: string): string => value.replace(/\s*[\r\n]\s*/g, ' ')

/** Values that mean the same in every context, so they are written into the command itself. */
const needsNothing = /^[\w./:@%+,=-]+$/

/**
 * Replaces each `{{name}}` in a shell command by a reference to an environment variable that has the value. A shell never
 * parses the value of a variable as a command, so whoever gives the values of a runbook cannot change how it is checked.
 * Two contexts know no references: in lines after `<<'END'` the value stands itself, in one line, and in arithmetic a
 * placeholder stays unless its value is simple.
 */
export const fillCommand = (command: string, variables: Variables): FilledCommand => {
  if (command.search(placeholder) < 0) return { command, env: {} }
  if (command.length > longestFilled) throw unreadable(`has more than ${longestFilled} characters`)
  if ((command.match(/[([]/g)?.length ?? 0) > mostOpened)
    throw unreadable(`has more than ${mostOpened} opening brackets`)
  const contexts = contextsIn(command.replace(placeholder, asWord))
  const values = new Map<string, { variable: string; value: string }>()
  const variableFor = (name: string, value: string): string => {
    const known = values.get(name) ?? { variable: `JETTY_VALUE_${values.size + 1}`, value }
    values.set(name, known)
    return known.variable
  }
  const filled = command.replace(placeholder, (whole, name: string, at: number) => {
    const value = variables(name)?.replaceAll('\0', '')
    const context = contexts[at] ?? 'plain'
    if (value === undefined) return whole
    if (needsNothing.test(value) || name.startsWith('secrets.')) return value
    if (context === 'literal-lines') return inOneLine(value)
    return context === 'arithmetic' ? whole : reference[context](variableFor(name, value))
  })
  return { command: filled, env: Object.fromEntries(Array.from(values.values(), (one) => [one.variable, one.value])) }
}
