import { memberText } from '../../../../src/lib/json/json-text.ts'
import { apiCall } from '../../../data/api.ts'
import type { TaskPlaceProps } from '../place.ts'

/** Members of a version that a change can set again. Its name stays: others may know the task by the one it has now. */
const restored = ['workflow', 'description', 'version', 'has_file_uploads', 'is_private', 'croissant_metadata']

/** Saves the content of an old version as the newest one. */
export const restoreVersion = async (
  { collection, task }: TaskPlaceProps,
  data: string,
  index: number,
): Promise<void> => {
  const members = restored.flatMap((name) => {
    const text = memberText(data, name)
    return text === undefined ? [] : [`${JSON.stringify(name)}:${text}`]
  })
  const note = `"note":${JSON.stringify(`Restored version ${index}`)}`
  await apiCall('updateTask', { params: { collection, task }, bodyText: `{${[...members, note].join(',')}}` })
}
