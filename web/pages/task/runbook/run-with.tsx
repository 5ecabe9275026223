import type { FormField } from '../../../parts/schema-form/form-fields.ts'
import { SchemaForm } from '../../../parts/schema-form/schema-form.tsx'
import { CopyLine } from '../../../ui/copy.tsx'
import { FileDrop } from '../run/file-drop.tsx'

interface RunWithProps {
  fields: readonly FormField[]
  entries: Readonly<Record<string, string>>
  errors: Readonly<Record<string, string>>
  onEnter: (name: string, entry: string) => void
  files: readonly File[]
  onFiles: (files: readonly File[]) => void
  command: string
}

/** What one run is given: parameters and files. */
export const RunWith = ({ fields, entries, errors, onEnter, files, onFiles, command }: RunWithProps) => (
  <>
    {fields.length === 0 && <p className="text-muted">The runbook has no parameters.</p>}
    <SchemaForm fields={fields} entries={entries} errors={errors} onEnter={onEnter} />
    <FileDrop
      files={files}
      onAdd={(more) => onFiles([...files, ...more])}
      onRemove={(file) => onFiles(files.filter((one) => one !== file))}
    />
    <section>
      <h2 className="mb-1 font-medium text-12 text-muted">The same from a terminal</h2>
      <CopyLine text={command} />
    </section>
  </>
)
