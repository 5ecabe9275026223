/** A value of a property, and the place in the document where it stands. */
export type LinkedValue =
  | { kind: 'node'; id: string; pointer: string }
  | { kind: 'literal'; value: string | number | boolean; language: string | null; pointer: string }
  | { kind: 'json'; value: unknown; pointer: string }
  | { kind: 'list'; pointer: string }

/** A node with everything that a document says about it, wherever it says so. */
export interface LinkedNode {
  id: string
  types: string[]
  properties: Map<string, LinkedValue[]>
  /** The statements above as text, so that each is kept once. */
  statements: Set<string>
  /** Where the document describes it first. */
  pointer: string
  /** Where its `@type` stands, if it has one. */
  typePointer: string | undefined
}

/** A JSON-LD document as nodes. One without any statement about it has no entry unless it is a blank node. */
export interface LinkedGraph {
  base: string
  nodes: Map<string, LinkedNode>
}

/** JSON text with sorted members, to compare values. */
const sortedJson = (value: unknown): string =>
  JSON.stringify(value, (_key, one: unknown) =>
    typeof one === 'object' && one !== null && !Array.isArray(one)
      ? Object.fromEntries(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1)))
      : one,
  )

/** Text that is equal for values that are the same in RDF. */
const identityOf = (value: LinkedValue): string => {
  if (value.kind === 'node') return `node ${value.id}`
  if (value.kind === 'literal') return `${typeof value.value} ${value.language ?? ''} ${value.value}`
  return value.kind === 'json' ? `json ${sortedJson(value.value)}` : `list ${value.pointer}`
}

/** Adds a statement to a node. A statement that is there already is added only once, as in RDF. */
export const addStatement = (node: LinkedNode, property: string, value: LinkedValue): void => {
  const statement = `${property} ${identityOf(value)}`
  if (node.statements.has(statement)) return
  node.statements.add(statement)
  const values = node.properties.get(property)
  if (values) values.push(value)
  else node.properties.set(property, [value])
}

/** The values of a property; none for a node that lacks it. */
export const valuesOf = (node: LinkedNode | undefined, property: string): readonly LinkedValue[] =>
  node?.properties.get(property) ?? []
