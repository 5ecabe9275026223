import { isMap, isNode, isPair, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml'
import { AppError } from '../../lib/errors.ts'

/** Position in a text; both numbers are 1-based. */
export interface TextPlace {
  line: number
  column: number
}

/** A key or item of a document, and its value. */
interface Member {
  at: Node
  value: unknown
}

const memberOf = (node: unknown, name: string): Member | undefined => {
  if (isMap(node)) {
    const pair = node.items.find((item) => isPair(item) && isScalar(item.key) && String(item.key.value) === name)
    return pair && isNode(pair.key) ? { at: pair.key, value: pair.value } : undefined
  }
  const item = isSeq(node) ? node.items[Number(name)] : undefined
  return isNode(item) ? { at: item, value: item } : undefined
}

/** Spellings of a path segment: a parameter may be given by a path. */
const spellings = (name: string): string[] => [name, `${name}_path`, `${name}_path_expr`]

/**
 * Finds members of a JSON or YAML text by dotted path. A path that leads beyond the text gives its deepest existing
 * member. Names may contain dots.
 */
export const documentPlaces = (text: string): ((path: string) => TextPlace) => {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, logLevel: 'silent' })
  return (path) => {
    let node: unknown = document.contents
    let at = isNode(node) ? node : undefined
    for (let parts = path.split('.'); parts.length > 0; ) {
      const next = firstMember(node, parts)
      if (next === undefined) break
      at = next.member.at
      node = next.member.value
      parts = parts.slice(next.length)
    }
    const { line, col } = lines.linePos(at?.range?.[0] ?? 0)
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }
}

/** Joins as many path segments as one name has. */
const firstMember = (node: unknown, parts: string[]): { member: Member; length: number } | undefined => {
  for (let length = 1; length <= parts.length; length++) {
    for (const name of spellings(parts.slice(0, length).join('.'))) {
      const member = memberOf(node, name)
      if (member) return { member, length }
    }
  }
  return undefined
}

/** Converts YAML to JSON text with keys in written order; `path` names the file in errors. */
export const jsonOfYaml = (path: string, text: string): string => {
  const document = parseDocument(text)
  const [error] = document.errors
  if (error) throw new AppError('invalid', `${path} is not YAML: ${error.message.replace(/\s+/g, ' ')}`)
  return jsonText(document.toJS({ mapAsMap: true }))
}

/** Objects are read as maps, because a JavaScript object would move numeric keys to the front. */
const jsonText = (value: unknown): string => {
  if (value instanceof Map) {
    return `{${[...value].map(([key, item]) => `${JSON.stringify(String(key))}:${jsonText(item)}`).join(',')}}`
  }
  if (Array.isArray(value)) return `[${value.map(jsonText).join(',')}]`
  return JSON.stringify(value) ?? 'null'
}
