# tries: to have agentd killed first when memory runs out, and itself never
# expects: EACCES
# layer: users
attempt_all((write, '/proc/1/oom_score_adj', '1000'), (write, '/proc/self/oom_score_adj', '-1000'), (write, '/proc/1/comm', 'gone'))
