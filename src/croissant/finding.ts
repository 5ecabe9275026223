/** A fault in a Croissant document, or advice about it. */
export interface CroissantFinding {
  /** JSON Pointer of the place in the document. */
  pointer: string
  /** The node and those it is in, such as `Metadata(iris) > RecordSet(flowers)`; null for the document itself. */
  node: string | null
  /** Name of the rule, for programs. */
  rule: string
  severity: 'error' | 'warning'
  message: string
  /** What to do about it. */
  fix: string
}

export type ReportFinding = (finding: CroissantFinding) => void

export const maxFindings = 500
const maxMessageCharacters = 2_000

/**
 * Collects findings: each once, errors before warnings, in the order of the document, and no more than `maxFindings`.
 * Long messages are cut: names in the document may be of any length.
 */
export const collectFindings = (): {
  report: ReportFinding
  sorted: () => CroissantFinding[]
  isFull: () => boolean
} => {
  const found = new Map<string, CroissantFinding>()
  const isFull = () => found.size >= maxFindings
  return {
    report: (given) => {
      if (isFull()) return
      const node = given.node?.slice(0, maxMessageCharacters) ?? null
      const finding = { ...given, node, message: given.message.slice(0, maxMessageCharacters) }
      found.set(`${finding.rule} ${finding.pointer} ${finding.message}`, finding)
    },
    sorted: () => [...found.values()].sort((a, b) => a.severity.localeCompare(b.severity)),
    isFull,
  }
}
