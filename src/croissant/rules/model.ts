import type { Subject } from './check.ts'

/** A reference to another node, and where it stands. */
export interface Reference {
  id: string
  pointer: string
}

/** What a `source` or `references` says. `origin` is undefined when it names none, or several. */
export interface SourceModel {
  origin: Reference | undefined
  pointer: string
}

interface Described extends Subject {
  /** The id that references use. */
  id: string
}

export interface FileModel extends Described {
  containedIn: Reference[]
}

export interface FieldModel extends Described {
  types: string[]
  source: SourceModel | undefined
  references: SourceModel | undefined
  hasValue: boolean
  subFields: FieldModel[]
}

export interface RecordSetModel extends Described {
  fields: FieldModel[]
  /** Whether it has its records in the document. */
  hasData: boolean
}

/** The parts of a dataset that refer to each other. */
export interface DatasetModel extends Described {
  files: FileModel[]
  recordSets: RecordSetModel[]
}
