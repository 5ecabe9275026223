import { quoted } from '../../sandboxes/programs/shell-text.ts'
import { placeholder, type Variables } from '../variables.ts'

type Context = 'plain' | 'single' | 'double' | 'comment' | 'here' | 'literal-here'

const hereBegins = /^<<(-?)[ \t]*(['"]?)([A-Za-z_]\w*)\2/

/** Scans a shell command and tracks its quoting. */
const makeFollower = (command: string) => {
  /** Stack of contexts: `$(…)` has quotes of its own. */
  const contexts: Context[] = ['plain']
  const heres: { end: RegExp; context: Context }[] = []
  let at = 0
  let last = ''
  let hereEnds = 0

  const enter = (context: Context) => {
    contexts[contexts.length - 1] = context
  }
  const take = (one: string | undefined) => {
    const context = contexts.at(-1)
    if (context === 'here' || context === 'literal-here') {
      if (at >= hereEnds) enter('plain')
    } else if (context === 'comment') {
      if (one === '\n') lineEnds()
    } else if (context === 'single') {
      if (one === "'") enter('plain')
    } else if (one === '\\') at++
    else if (one === '"') enter(context === 'double' ? 'plain' : 'double')
    else if (one === '(' && (context === 'plain' || last === '$')) contexts.push('plain')
    else if (context === 'double') return
    else if (one === "'") enter('single')
    else if (one === ')' && contexts.length > 1) contexts.pop()
    else if (one === '#' && /^[\s;&|(]?$/.test(last)) enter('comment')
    else if (one === '\n') lineEnds()
    else if (one === '<') hereBeginsAt()
  }
  const hereBeginsAt = () => {
    const [whole, dash, quote, word] = hereBegins.exec(command.slice(at, at + 200)) ?? []
    if (whole === undefined || command[at - 1] === '<') return
    const end = new RegExp(`^${dash ? '\\t*' : ''}${word}$`, 'm')
    heres.push({ end, context: quote ? 'literal-here' : 'here' })
    at += whole.length - 1
  }
  const lineEnds = () => {
    enter('plain')
    const here = heres.shift()
    const length = here?.end.exec(command.slice(at + 1))?.index
    if (here === undefined || length === undefined) return // no here-document: `1<<n` in arithmetic
    hereEnds = at + length
    if (length > 0) enter(here.context)
  }

  return {
    /** Context of the placeholder that begins here. */
    contextAt(begin: number): Context {
      for (; at < begin; at++) {
        const one = command[at]
        take(one)
        last = one ?? ''
      }
      return contexts.at(-1) ?? 'plain'
    },
    goOnAt(end: number) {
      at = end
      last = 'x'
    },
  }
}

const inOneLine = (value: string): string => value.replace(/\s*[\r\n]\s*/g, ' ')

/** Quotes a value as one text for each context. */
const written: Record<Context, (value: string) => string> = {
  plain: quoted,
  single: (value) => value.replaceAll("'", "'\\''"),
  double: (value) => value.replace(/[\\"$`]/g, '\\$&'),
  comment: inOneLine,
  here: (value) => inOneLine(value).replace(/[\\$`]/g, '\\$&'),
  'literal-here': inOneLine,
}

const needsNothing = /^[\w./:@%+,=-]+$/

/**
 * Fills `{{name}}` in a shell command. Each value is data within whatever quotes it stands, never part of the command:
 * a caller who provides values does not decide how a runbook is verified.
 */
export const fillCommand = (command: string, variables: Variables): string => {
  const follower = makeFollower(command)
  return command.replace(placeholder, (whole, name: string, at: number) => {
    const context = follower.contextAt(at)
    follower.goOnAt(at + whole.length)
    const value = variables(name)?.replaceAll('\0', '')
    if (value === undefined) return whole
    return needsNothing.test(value) || name.startsWith('secrets.') ? value : written[context](value)
  })
}
