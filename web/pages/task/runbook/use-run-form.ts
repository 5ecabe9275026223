import { useMutation } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { api } from '../../../data/api.ts'
import { type FormField, formParams } from '../../../parts/schema-form/form-fields.ts'
import type { TaskPlaceProps } from '../place.ts'

interface RunFormOptions {
  place: TaskPlaceProps
  fields: readonly FormField[]
  entries: Readonly<Record<string, string>>
  /** Name of the run's parameter that holds the values; undefined: a run brings none. */
  varsName: string | undefined
  /** Values that the task brings. */
  own: Readonly<Record<string, unknown>>
  /** A field is missing: nothing was started. */
  onMissing: () => void
}

/** Starts a run of a runbook with what was entered. */
export const useRunForm = ({ place, fields, entries, varsName, own, onMissing }: RunFormOptions) => {
  const navigate = useNavigate()
  const [files, setFiles] = useState<readonly File[]>([])
  const [wasSent, setSent] = useState(false)
  const { params, errors } = formParams(fields, entries)
  const start = useMutation({
    mutationFn: () =>
      api.runTask({
        params: { ...place },
        query: { preflight: 'refuse' },
        body: { init_params: varsName === undefined ? {} : { [varsName]: { ...own, ...params } } },
        files: files.map((file) => ({ field: 'files', name: file.name, content: file })),
      }),
  })
  // Only while the page is there: whoever left it during an upload stays elsewhere.
  const open = ({ trajectory_id: id }: { trajectory_id: string }) =>
    void navigate({ to: '/$collection/$task/$id', params: { ...place, id } })
  const run = () => {
    setSent(true)
    if (Object.keys(errors).length > 0) onMissing()
    else if (!start.isPending) start.mutate(undefined, { onSuccess: open })
  }
  return {
    ...{ params, files, setFiles, run },
    errors: wasSent ? errors : {},
    isStarting: start.isPending,
    error: start.error,
  }
}
