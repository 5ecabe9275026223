/** Descriptions of path parameters that the API does not describe itself. */
export const argumentMeanings: Readonly<Record<string, string>> = {
  collection: 'Collection name; list-collections shows them.',
  task: 'Task name; list-tasks shows them.',
  dataset: 'Dataset name; list-datasets shows them.',
  q: 'Text to look for.',
  trajectory_id: 'Id of the run (trajectory), such as 1f2e3d4c.',
  step: 'Name of the step, as in `steps` of the run.',
  name: 'Name, unique in its task or collection.',
  activity: 'Name of the activity, such as text_echo.',
  page: 'Page number, from 1.',
  limit: 'How many to return.',
  skip: 'How many to leave out at the beginning.',
  key: 'Label key, such as quality.',
  value: 'Label value, such as high.',
  author: 'Who sets the label, such as an email address.',
  description: 'What the task does, for people.',
}
