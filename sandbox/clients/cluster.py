def judge(j):
    pass
