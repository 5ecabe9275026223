/** Tasks of the collection `demo`: the smallest possible one, one that processes a file, one to watch, one to mend. */
export const demoTasks = [
  {
    name: 'hello',
    description: 'Fills a template and echoes it: the smallest workflow that shows how a step reads another',
    has_file_uploads: false,
    workflow: {
      init_params: { name: 'world' },
      step_configs: {
        greet: { activity: 'text_template', template: 'Hello, {{name}}!', name_path: 'init_params.name' },
        say: { activity: 'text_echo', text_path: 'greet.outputs.text' },
      },
      steps: ['greet', 'say'],
    },
  },
  {
    name: 'summarize-file',
    description: 'Reads an uploaded text file, splits it, fills a template and saves the result as a file',
    has_file_uploads: true,
    workflow: {
      init_params: { title: 'Report', chunk_size: 400 },
      step_configs: {
        read: { activity: 'read_uploaded_file' },
        split: { activity: 'text_split', text_path: 'read.outputs.content', chunk_size_path: 'init_params.chunk_size' },
        report: {
          activity: 'text_template',
          template: '# {{title}}\n\n{{filename}}: {{count}} parts. The first one:\n\n{{first}}\n',
          title_path: 'init_params.title',
          filename_path: 'read.outputs.filename',
          count_path: 'split.outputs.count',
          first_path: 'split.outputs.chunks[0]',
        },
        save: { activity: 'save_text_file', text_path: 'report.outputs.text', filename: 'report.md' },
      },
      steps: ['read', 'split', 'report', 'save'],
    },
  },
  {
    name: 'patience',
    description: 'Sleeps between steps: watch it, stop the server in the middle, start it again',
    has_file_uploads: false,
    workflow: {
      init_params: { seconds: 5 },
      step_configs: {
        first: { activity: 'text_echo', text: 'Going to sleep' },
        nap: { activity: 'sleep', seconds_path: 'init_params.seconds' },
        second: { activity: 'text_echo', text: 'Half-way' },
        rest: { activity: 'sleep', seconds_path: 'init_params.seconds' },
        last: { activity: 'text_echo', text: 'Awake again' },
      },
      steps: ['first', 'nap', 'second', 'rest', 'last'],
    },
  },
  {
    name: 'find-the-fault',
    description: 'Fails at its second step: find out why, correct the workflow, and run it again from there',
    has_file_uploads: false,
    workflow: {
      init_params: { name: 'world' },
      step_configs: {
        greet: { activity: 'text_template', template: 'Hello, {{name}}!', name_path: 'init_params.name' },
        say: { activity: 'text_echo', text_path: 'greet.outputs.greeting' }, // the fault: the output is called text
        save: { activity: 'save_text_file', text_path: 'say.outputs.text', filename: 'greeting.txt' },
      },
      steps: ['greet', 'say', 'save'],
    },
  },
]
