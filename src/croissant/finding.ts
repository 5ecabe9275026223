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

/** Collects findings: each once, errors before warnings, in the order of the document, and no more than `maxFindings`. */
export const collectFindings = (): {
  report: ReportFinding
  sorted: () => CroissantFinding[]
  isFull: () => boolean
} => {
  const found = new Map<string, CroissantFinding>()
  const isFull = () => found.size >= maxFindings
  return {
    report: (finding) => {
      const key = `${finding.rule} ${finding.pointer} ${finding.message}`
      if (!isFull()) found.set(key, finding)
    },
    sorted: () => [...found.values()].sort((a, b) => a.severity.localeCompare(b.severity)),
    isFull,
  }
}
