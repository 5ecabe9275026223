/** The one executable: the server, and every command that talks to one. */
import { runProgram } from './cli/program.ts'

// Not awaited: what a command loads later may stand in files that import this one, and would wait for its end.
void runProgram(process.argv).then((code) => process.exit(code)) // what a failed start has left open must not keep it
